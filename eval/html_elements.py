"""HTML elements from Python: text is escaped and tags balance because ElementTree writes them."""

from xml.etree.ElementTree import Element


def tag(name, /, *children, **attributes):
    """An element. children: elements, texts, or None for nothing. attributes: `class_` is class, `aria_label` is aria-label."""
    element = Element(name, {key.rstrip("_").replace("_", "-"): str(value) for key, value in attributes.items()})
    for child in children:
        if isinstance(child, str):
            if len(element):
                element[-1].tail = (element[-1].tail or "") + child
            else:
                element.text = (element.text or "") + child
        elif child is not None:
            element.append(child)
    return element
