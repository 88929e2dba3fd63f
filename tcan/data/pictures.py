"""Pictures of any kind and size: read as they are meant to be seen, and made square."""

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tcan.data.frames import resize
from tcan.errors import UserError

SQUARES = ("crop", "pad", "stretch")


def read_picture(path):
    """A picture file as uint8 RGB (h, w, 3): turned upright as its EXIF says, on white where it is transparent."""
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith(("I", "F")):  # 16 bits and more a value: PIL's own conversion cuts at 255
                values = np.asarray(picture, np.float64)
                picture = Image.fromarray((values * (255 / max(255, np.iinfo(np.uint16).max if values.max() > 255 else 255))).round().astype(np.uint8))
            if picture.mode == "P" or "A" in picture.mode:
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
            return np.asarray(picture.convert("RGB"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path}: expected a picture, found no file") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{path}: expected a picture, got another file, a broken one or one that is too large ({reason}); use another") from error


def squared(picture, size, how, colour=(0, 0, 0)):
    """A picture, uint8 RGB (h, w, 3), as size x size: its middle square (crop), the whole of it in a square of `colour` (pad), or distorted (stretch)."""
    height, width = picture.shape[:2]
    if how == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        picture = picture[top:top + side, left:left + side]
    elif how == "pad":
        (top, left), side = offsets(height, width), max(height, width)
        picture = cv2.copyMakeBorder(picture, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT, value=colour)
    return resize(np.ascontiguousarray(picture), size)


def offsets(height, width):
    """(top, left): where a picture of this size lies in the square that it is padded to."""
    side = max(height, width)
    return (side - height) // 2, (side - width) // 2
