"""The paper's claims put to the test over videos and seeds (`python -m eval claims`): the list of them, the statistics, the page, the curves."""
