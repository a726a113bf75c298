"""The names that a key may use."""

import httpx2
import pytest


def test_models_are_those_that_the_key_could_ever_use(gateway, key):
    def listed(used: str) -> set[str]:
        data = httpx2.get(f"{gateway.base}/v1/models", headers={"authorization": f"Bearer {used}"}).json()["data"]
        assert {tuple(sorted(each)) for each in data} == {("created", "id", "object", "owned_by")}
        return {each["id"] for each in data}

    own = {"auto", "a", "b", "c", "all", "pair", "small", "down", "every"}
    assert listed(key) == own | {"away"}
    assert listed(gateway.key(sensitivity="confidential")) == own


@pytest.mark.parametrize(
    ("name", "status"),
    [("a", 200), ("auto", 200), ("pair", 200), ("nobody", 404), ("unpriced", 404), ("keyless", 404), ("x/y:z", 404)],
)
def test_one_model(gateway, key, name, status):
    response = httpx2.get(f"{gateway.base}/v1/models/{name}", headers={"authorization": f"Bearer {key}"})
    assert response.status_code == status
    assert (response.json().get("id") == name) == (status == 200)


@pytest.mark.parametrize("root", ["/v1", "", "/openai/v1"])
def test_every_client_finds_them_where_it_looks(gateway, key, root):
    headers = {"authorization": f"Bearer {key}"}
    assert httpx2.get(f"{gateway.base}{root}/models", headers=headers).json()["object"] == "list"
    assert httpx2.get(f"{gateway.base}{root}/models/auto", headers=headers).json()["id"] == "auto"


@pytest.mark.parametrize(("more", "named"), [({}, "x-request-id"), ({"anthropic-version": "2023-06-01"}, "request-id")])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/a", "/v1/models/nobody"])
def test_each_answer_has_its_id(gateway, key, path, more, named):
    headers = {"authorization": f"Bearer {key}", **more}
    ids = {httpx2.get(gateway.base + path, headers=headers).headers[named] for _ in range(2)}
    assert len(ids) == 2


def test_anthropics_clients_read_them_their_way(gateway, key):
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    listed = httpx2.get(f"{gateway.base}/v1/models", headers=headers).json()
    assert listed.keys() == {"data", "has_more", "first_id", "last_id"}
    assert {tuple(each) for each in listed["data"]} == {("type", "id", "display_name", "created_at")}
    assert (listed["first_id"], listed["has_more"]) == ("auto", False)
    one = httpx2.get(f"{gateway.base}/v1/models/a", headers=headers).json()
    assert one in listed["data"]
