"""A file's bytes -> the pixels of its picture. Imported by the process that decodes alone."""

import io

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from handlers.media.limits import MediaError, MediaLimits, decoded_fits, pixels_fit, said_of_file

# Named here, so that all are loaded before this process can open no file any more (and none but these ever is).
PLUGINS = (
    *(AvifImagePlugin, BmpImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin),
    *(TiffImagePlugin, WebPImagePlugin),
)
assert ImageCms  # which Pillow imports for colours of the space Lab
Image.preinit()
Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and is held before any are read
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
CHANNELS = 3


def decode_picture(data: bytes, decoder: str, limits: MediaLimits, most: int) -> np.ndarray:
    """uint8 [height, width, 3] of a file in the format that Pillow calls `decoder`: its first frame where it has many.

    Upright by its EXIF data, over white where it is transparent, 16 bits rounded to 8. Raises MediaError for what
    passes a limit, `most` bytes of pixels among them, before its pixels are read, and for what is no such picture.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[decoder]) as image:
            pixels_fit(image.width, image.height, limits)
            decoded_fits(image.width * image.height * CHANNELS, most)
            image.load()
            return np.ascontiguousarray(_pixels(ImageOps.exif_transpose(image)))
    except MediaError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        # Pillow raises whatever its readers stumble on: OSError, SyntaxError, ValueError, struct.error and more.
        raise MediaError(f"is no {decoder} that can be read: {said_of_file(error)}") from error


def _pixels(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        return np.repeat(((values * 255 + 32767) // 65535).astype(np.uint8)[..., None], CHANNELS, axis=-1)
    if image.mode in ("I", "F"):
        raise MediaError(f"has pixels of 32 bits (Pillow's mode {image.mode}), which are measurements and no colours")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = Image.new("RGB", over.size, "white")
        white.paste(over, mask=over.getchannel("A"))
        return np.asarray(white)
    return np.asarray(image.convert("RGB"))
