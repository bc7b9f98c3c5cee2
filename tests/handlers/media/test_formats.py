import pytest

from handlers.media.formats import FORMATS, format_of, sniff
from handlers.media.limits import MediaError
from tests.handlers.media import corpus

PNG = corpus.saved(corpus.quadrants(), "PNG")
WAV = corpus.sound("wav", "pcm_s16le", 8000)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\0", b"<html>", b"%PDF-1.7", b"%!PS-Adobe", b"<svg xmlns=", b"#EXTM3U\n", b"ffconcat version 1.0"),
        *(b"\xff\xff", b"BM" + bytes(60), b"\0\0\0\x18ftypheic" + bytes(16), b"RIFF\0\0\0\0XXXX", b"P6 1 1 255 "),
        *(b"qoif", b"\xff\xe8\0\0"),
    ],
)
def test_what_is_no_known_picture_is_refused_with_those_that_are(data):
    with pytest.raises(MediaError, match=r"image may be PNG, JPEG, GIF, WebP, BMP, TIFF, AVIF"):
        format_of(data, "image")


@pytest.mark.parametrize(
    ("data", "modality", "media_type", "message"),
    [
        (PNG, "image", "image/jpeg", "says that it is image/jpeg, but its bytes are PNG"),
        (PNG, "image", "text/plain", "says that it is text/plain, but its bytes are PNG"),
        (PNG, "image", "video/png", "says that it is video/png"),
        (WAV, "audio", "audio/mpeg", "says that it is audio/mpeg, but its bytes are WAV"),
        (WAV, "audio", "image/wav", "says that it is image/wav"),
        (PNG, "audio", None, "is PNG, which cannot be taken as audio; audio may be WAV,"),
        (WAV, "video", None, "is WAV, which cannot be taken as video; video may be GIF,"),
        (WAV, "image", "audio/wav", "is WAV|says that it is audio/wav"),
    ],
)
def test_bytes_are_what_they_are_said_to_be_and_what_is_wanted(data, modality, media_type, message):
    with pytest.raises(MediaError, match=message):
        format_of(data, modality, media_type)


@pytest.mark.parametrize("media_type", [None, "", "image/png", "IMAGE/PNG", "application/octet-stream", "image/x-png"])
def test_names_of_a_type_that_are_in_use_are_known_and_none_says_nothing(media_type):
    assert format_of(PNG, "image", media_type).name == "PNG"


def test_every_beginning_is_of_one_format_at_most():
    heads = [data for data, *_ in corpus.pictures().values()]
    assert {sniff(head).name for head in heads} == {f.name for f in FORMATS if "image" in f.modalities}
