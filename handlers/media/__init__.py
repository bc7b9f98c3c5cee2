"""Pictures, sound and film of requests: from a URL to arrays.

reader.py reads all the media of a request: their bytes (data_url.py, folder.py, fetch.py with addresses.py), what they
are (formats.py), and arrays of them, which decoding.py has made in processes of their own (decode_process.py,
pictures.py, sounds.py, films.py). Those, and nothing else, import the decoders, Pillow and PyAV.
"""
