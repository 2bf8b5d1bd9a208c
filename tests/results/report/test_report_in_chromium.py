"""The report's script in a real browser."""

import shutil

import pytest

import hocket
from hocket.envs.null import NullEnv
from hocket.results.report import write_report
from hocket.results.run_folder import read_runs

webdriver = pytest.importorskip("selenium.webdriver")
pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs chromium and chromium-driver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1280,1000")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, tmp_path):
    law = hocket.LogNormal(0.03, 0.3)
    result = hocket.run(NullEnv(), lambda o: 0, hocket.TickDispatch(3), hocket.Virtual(hz=60, latency=law), ticks=1200)
    browser.get((result.save(tmp_path) / "report.html").as_uri())
    browser.set_script_timeout(20)
    browser.execute_async_script(
        "const done = arguments[0], look = () => document.querySelector('.viewer canvas').style.height"
        " ? done() : setTimeout(look, 20); look();"
    )
    return browser


PICTURE = "return document.querySelector('.viewer canvas').toDataURL()"


@pytest.mark.slow
def test_the_schedule_scrolls_zooms_and_shows_details(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    buttons = {button.text: button for button in page.find_elements(By.CSS_SELECTOR, ".viewer button")}
    assert {"start", "end", "fewest fresh actions", "+", "−"} <= buttons.keys()
    canvas = page.find_element(By.CSS_SELECTOR, ".viewer canvas")
    seen = [page.execute_script(PICTURE)]
    for act in (
        buttons["▶"].click,
        buttons["+"].click,
        buttons["end"].click,
        lambda: canvas.send_keys(Keys.ARROW_LEFT),
        buttons["start"].click,
    ):
        act()
        seen.append(page.execute_script(PICTURE))
    assert len(set(seen)) == len(seen)
    buttons["−"].click()
    assert page.execute_script(PICTURE) == seen[0]  # back where it began
    canvas.click()
    readouts = set()
    for x in range(-500, 500, 40):
        webdriver.ActionChains(page, duration=0).move_to_element_with_offset(canvas, x, -20).perform()
        readouts.add(page.find_element(By.CSS_SELECTOR, ".readout").text)
    assert any(text.startswith("worker 1: observation") for text in readouts), readouts
    assert [entry for entry in page.get_log("browser") if entry["level"] != "INFO"] == []


@pytest.mark.slow
def test_charts_show_values_under_the_pointer(page):
    from selenium.webdriver.common.by import By

    chart = page.find_element(By.CSS_SELECTOR, "figure.chart svg")
    page.execute_script("arguments[0].scrollIntoView()", chart)
    webdriver.ActionChains(page, duration=0).move_to_element(chart).perform()
    lines = page.find_element(By.CSS_SELECTOR, ".tip").text.split("\n")
    assert lines[0].startswith("time (s): ") and lines[1].startswith("coverage: ")
    assert 0 <= float(lines[1].split(": ")[1]) <= 1
    assert [entry for entry in page.get_log("browser") if entry["level"] != "INFO"] == []


@pytest.mark.slow
def test_long_differences_wrap_inside_their_box(browser, tmp_path):
    folders = []
    for name in ("a", "b"):
        config = {"options": {"env_args": name * 2500, "note": f"{name} " * 900}}
        law = hocket.Constant(0.03)
        run = hocket.run(
            NullEnv(), lambda o: 0, hocket.TickDispatch(2), hocket.Virtual(hz=60, latency=law), ticks=60, config=config
        )
        folders.append(run.save(tmp_path / name))
    write_report(read_runs(folders, ["a", "b"]), tmp_path / "ab.html")
    browser.get((tmp_path / "ab.html").as_uri())
    widths = browser.execute_script(
        "const box = document.querySelector('table.words').parentElement;"
        "return [box.scrollWidth, box.clientWidth, document.documentElement.scrollWidth, innerWidth]"
    )
    assert widths[0] == widths[1] and widths[2] <= widths[3]
