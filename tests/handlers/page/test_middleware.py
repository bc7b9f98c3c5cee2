"""How the page's files are answered for."""

import pytest

from handlers.http.access import Access, digests
from handlers.page.files import CONTENT_SECURITY_POLICY
from tests.handlers import conftest as fakes


def test_the_page_is_at_the_root_under_its_own_policy():
    with fakes.connected(page=True) as app:
        response = app.client.get("/")
    assert response.status_code == 200 and response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert response.headers["x-content-type-options"] == "nosniff" and "<title>jaxchat</title>" in response.text


def test_a_file_that_has_not_changed_is_not_sent_again():
    with fakes.connected(page=True) as app:
        first = app.client.get("/page/app.js")
        again = app.client.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})
        other = app.client.get("/page/app.js", headers={"If-None-Match": '"other"'})
    assert first.headers["content-type"].startswith("text/javascript")
    assert (again.status_code, again.content) == (304, b"") and other.content == first.content


def test_only_its_files_are_there_and_only_to_be_read():
    with fakes.connected(page=True) as app:
        assert app.client.get("/page/../settings.py").status_code == 404
        assert app.client.get("/page/").status_code == 404
        wrong = app.client.post("/")
        assert app.client.head("/").content == b""
    assert wrong.status_code == 405 and wrong.headers["allow"] == "GET, HEAD" and "GET" in wrong.json()["message"]


@pytest.mark.parametrize("path", ["/", "/page/app.js"])
def test_its_files_need_no_key_and_the_api_does(path):
    with fakes.connected(page=True, access=Access(keys=digests(["k"]))) as app:
        assert app.client.get(path).status_code == 200
        assert app.client.get("/v1/models").status_code == 401


def test_without_it_the_root_is_not_found():
    with fakes.connected() as app:
        assert app.client.get("/").status_code == 404
