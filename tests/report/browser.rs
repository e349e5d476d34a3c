//! The HTML report in a real browser.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::packages::{changed, package};
use crate::scene::Scene;

/// A page of two packages, of which one has a baseline.
fn page(scene: &Scene) -> camino::Utf8PathBuf {
    let before = package("android", 6);
    let mut ios = package("iphone", 3);
    ios["models"][1]["bundled"] = true.into();
    ios["models"][1]["answer"] = json!({
        "device": "cpu", "prompt": "What is the capital of France?",
        "text": "The capital of France is Paris. ".repeat(8), "tokens": 40, "end": "length",
        "perplexity": 12.5, "max_perplexity": 1000.0, "scored": 64, "difference": 1e-6,
        "seconds": 3.5
    });
    ios["artifact"] = json!({
        "kind": "swift-package", "name": "ExampleModels 1.2.0",
        "file": "swift/ExampleModels.xcframework.zip", "bytes": 12_345_678
    });
    scene
        .manifest("before.json", &before)
        .manifest("now.json", &changed(&before))
        .manifest("ios.json", &ios)
        .write("mlc-package.yml", "budgets: {model: {download: {fail: {max: 1GiB}}}}");
    let arguments = "--manifest now.json --manifest ios.json --baseline before.json";
    scene.report(20, &format!("{arguments} --format html --output report.html"));
    scene.path("report.html")
}

#[test]
#[ignore = "needs a browser: scripts/setup-browser.sh"]
fn the_page_works_and_asks_nobody_for_anything() {
    let scene = Scene::new();
    let browser = Browser::start();
    let page = page(&scene);
    browser.open(&page);
    search_filters(&browser);
    columns_sort(&browser);
    the_keyboard_reaches_the_treemap(&browser);
    areas_are_bytes(&browser);
    everything_has_a_name(&browser);
    both_schemes_can_be_read(&browser);
    nothing_is_cut_off(&browser);
    nobody_was_asked(&browser, page.as_str());
}

fn search_filters(browser: &Browser) {
    let shown = || {
        browser.eval(
            "return [...document.querySelectorAll('#table-models tbody tr')]
                .filter(row => !row.hidden).map(row => row.cells[0].textContent)",
        )
    };
    let status =
        || browser.eval("return document.querySelector('[data-of=table-models]').textContent");
    assert_eq!(shown().as_array().unwrap().len(), 10);
    assert_eq!(status(), "10 models");
    let input = "[data-for=table-models]";
    browser.fill(input, "qwen3 Changed");
    assert_eq!(shown(), json!(["Qwen3-1.7B-q4f16_1"]));
    assert_eq!(status(), "1 of 10 models");
    browser.fill(input, "no such model");
    assert_eq!(shown(), json!([]));
    browser.fill(input, "");
    assert_eq!(status(), "10 models");
    browser.fill("[data-for=table-parts]", "dequantize3 qwen");
    let parts = browser.eval(
        "return [...document.querySelectorAll('#table-parts tbody tr')]
            .filter(row => !row.hidden).map(row => row.textContent)",
    );
    let parts = parts.as_array().unwrap();
    assert_eq!(parts.len(), 4, "{parts:?}");
    // Words are not looked for across cells.
    browser.fill("[data-for=table-parts]", "kernelandroid");
    let found = browser.eval("return document.querySelector('[data-of=table-parts]').textContent");
    assert!(found.as_str().unwrap().starts_with("0 of "), "{found}");
    browser.fill("[data-for=table-parts]", "");
}

fn columns_sort(browser: &Browser) {
    let column = |title: &str| {
        browser.eval(&format!(
            "const heads = [...document.querySelectorAll('#table-models thead th')];
             const at = heads.findIndex(head => head.textContent === '{title}');
             return [heads[at].ariaSort, heads.filter(head => head.ariaSort !== 'none').length,
                 [...document.querySelectorAll('#table-models tbody tr')].map(row =>
                     row.cells[at].dataset.value === undefined
                         ? row.cells[at].textContent : Number(row.cells[at].dataset.value))]"
        ))
    };
    let focus = |title: &str| {
        browser.eval(&format!(
            "[...document.querySelectorAll('#table-models thead button')]
                .find(button => button.textContent === '{title}').focus()"
        ));
    };
    let numbers = |value: &Value| {
        value[2].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect::<Vec<_>>()
    };
    focus("Download");
    browser.press("Enter");
    let down = column("Download");
    assert_eq!((&down[0], &down[1]), (&json!("descending"), &json!(1)));
    assert!(numbers(&down).is_sorted_by(|a, b| a >= b), "{down}");
    browser.press("Enter");
    let up = column("Download");
    assert_eq!(up[0], "ascending");
    assert!(numbers(&up).is_sorted() && numbers(&up) != numbers(&down), "{up}");
    focus("Model");
    browser.press("Enter");
    let names = column("Model");
    assert_eq!((&names[0], &names[1]), (&json!("ascending"), &json!(1)));
    let names: Vec<_> = names[2].as_array().unwrap().iter().map(Value::to_string).collect();
    assert!(names.is_sorted_by_key(|name| name.to_lowercase()), "{names:?}");
}

fn the_keyboard_reaches_the_treemap(browser: &Browser) {
    let focused = || {
        browser.eval(
            "const it = document.activeElement;
             const cells = [...document.querySelectorAll('.map')[0].querySelectorAll('button')];
             const style = getComputedStyle(it);
             return {at: cells.indexOf(it), cells: cells.length, label: it.ariaLabel,
                 ring: style.outlineStyle + ' ' + style.outlineWidth,
                 stops: cells.filter(cell => cell.tabIndex === 0).length,
                 path: document.querySelectorAll('.path')[0].textContent,
                 status: document.querySelectorAll('.treemap .status')[0].textContent}",
        )
    };
    browser.eval(
        "[...document.querySelectorAll('.views')[0].querySelectorAll('button')].at(-1).focus()",
    );
    browser.press("Tab");
    let first = focused();
    assert_eq!(first["at"], 0, "{first}");
    assert_eq!(first["ring"], "solid 3px");
    assert_eq!(first["stops"], 1, "one stop for Tab, the rest by arrows: {first}");
    let status = first["status"].as_str().unwrap();
    assert!(first["label"].as_str().unwrap().starts_with(status) && !status.is_empty(), "{first}");
    browser.press("ArrowRight");
    assert_eq!(focused()["at"], 1);
    browser.press("ArrowLeft");
    browser.press("ArrowLeft");
    assert_eq!(focused()["at"], 0);
    browser.press("End");
    let last = focused();
    assert_eq!(last["at"].as_u64().unwrap() + 1, last["cells"].as_u64().unwrap(), "{last}");
    browser.press("Home");
    let label = focused()["label"].as_str().unwrap().to_owned();
    browser.press("Enter");
    let inside = focused();
    assert_eq!(inside["at"], 0);
    let model = label.split(':').next().unwrap();
    assert!(inside["path"].as_str().unwrap().contains(model), "{label}: {inside}");
    assert!(inside["label"].as_str().unwrap().starts_with(model), "{inside}");
    // Into the kernels, where the largest have names.
    browser.press("Enter");
    assert!(focused()["label"].as_str().unwrap().contains("kernels › "), "{}", focused());
    browser.press("Escape");
    browser.press("Escape");
    let outside = focused();
    assert_eq!((&outside["cells"], &outside["at"]), (&first["cells"], &json!(0)));
    assert!(!outside["path"].as_str().unwrap().contains(model), "{outside}");
    // Nothing is left to go out of: the focus stays.
    browser.press("Escape");
    assert_eq!(focused()["at"], 0);
}

/// The groups fill the map, each with a share of it that is its share of the bytes.
fn areas_are_bytes(browser: &Browser) {
    let found = browser.eval(
        "const map = document.querySelectorAll('.map')[0];
         const whole = map.clientWidth * map.clientHeight;
         return [...map.querySelectorAll('.k-group')].map(cell => [
             100 * cell.offsetWidth * cell.offsetHeight / whole,
             Number(/, ([0-9.]+) % of/.exec(cell.ariaLabel)[1])])",
    );
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 6);
    for pair in found {
        let (area, share) = (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap());
        assert!((area - share).abs() < 1.0, "{pair}");
    }
}

/// What a screen reader gets: every button, field, figure and table has a name.
fn everything_has_a_name(browser: &Browser) {
    let tree = browser.protocol("Accessibility.getFullAXTree", &json!({}));
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for node in tree["nodes"].as_array().unwrap() {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let named =
            ["button", "searchbox", "heading", "region", "group", "columnheader", "rowheader"];
        if node["ignored"] == false && named.contains(&role) {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert!(!name.trim().is_empty() || role == "group", "{node}");
            *seen.entry(role.to_owned()).or_default() += 1;
        }
    }
    for role in ["button", "searchbox", "heading", "region", "columnheader", "rowheader"] {
        assert!(seen.contains_key(role), "no {role} in {seen:?}");
    }
}

/// Contrast by WCAG 2: 4.5 for text.
fn both_schemes_can_be_read(browser: &Browser) {
    let mut backgrounds = Vec::new();
    for scheme in ["light", "dark"] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.protocol("Emulation.setEmulatedMedia", &media);
        let found = browser.eval(
            "const light = colour => {
                 const part = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
                 const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(value => part(value / 255));
                 return 0.2126 * r + 0.7152 * g + 0.0722 * b;
             };
             const behind = element => {
                 for (let it = element; it; it = it.parentElement) {
                     const colour = getComputedStyle(it).backgroundColor;
                     if (!/, 0\\)$/.test(colour)) return colour;
                 }
             };
             const selectors = ['h1', '.kind', '.commits', '.alerts b', '.alerts li', '.remark', '.size',
                 '.size .grow', '.size .shrink', '.delta', '.map button', 'button.k-weights', 'button.k-kernels',
                 'button.k-host', 'button.k-data', '.legend li', 'thead button', 'td', 'td.grow', 'td.shrink',
                 'tr.fail th', 'tr.fail td.grow', '.found', 'summary', 'footer', '.search span',
                 '.views button[aria-pressed=true]', '.views button[aria-pressed=false]'];
             const found = [];
             for (const selector of selectors) {
                 for (const element of document.querySelectorAll(selector)) {
                     const [a, b] = [getComputedStyle(element).color, behind(element)].map(light);
                     found.push([selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
                 }
             }
             return {found, page: getComputedStyle(document.body).backgroundColor};",
        );
        let contrasts = found["found"].as_array().unwrap();
        assert!(contrasts.len() > 60, "{}", contrasts.len());
        for contrast in contrasts {
            assert!(contrast[1].as_f64().unwrap() >= 4.5, "{scheme}: {contrast}");
        }
        backgrounds.push(found["page"].as_str().unwrap().to_owned());
    }
    assert_eq!(backgrounds, ["rgb(246, 247, 249)", "rgb(16, 20, 27)"]);
}

/// On a phone, a tablet and a laptop, in both schemes: no element is wider than its box, and
/// whatever is folded is looked at too.
fn nothing_is_cut_off(browser: &Browser) {
    browser.eval("document.querySelectorAll('details').forEach(it => { it.open = true; })");
    for width in [390, 768, 1280] {
        browser.resize(width, 1000);
        for scheme in ["light", "dark"] {
            let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            browser.protocol("Emulation.setEmulatedMedia", &media);
            // Names in the treemap end with dots where they do not fit: they are in the table too.
            let wide = browser.eval(
                "return [document.scrollingElement, ...document.querySelectorAll('body *')]
                     .filter(it => it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0
                         && !it.closest('.map') && getComputedStyle(it).display !== 'inline'
                         && !it.closest('thead, .skip'))
                     .map(it => `${it.tagName}.${it.className} ${it.scrollWidth} > ${it.clientWidth}`)",
            );
            assert_eq!(wide, json!([]), "{width} px, {scheme}");
            let outside = browser.eval(
                "return [...document.querySelectorAll('td, tbody th, .tile *, li, h1, h2')]
                     .filter(it => { const box = it.getBoundingClientRect();
                         return box.right > innerWidth + 1 || box.left < -1; })
                     .map(it => it.textContent)",
            );
            assert_eq!(outside, json!([]), "{width} px, {scheme}");
        }
    }
}

/// GitHub's comments are 780 px wide on a laptop. Its rules for tables, as its pages have them:
/// a table that is wider scrolls sideways.
#[test]
#[ignore = "needs a browser: scripts/setup-browser.sh"]
fn the_comment_fits_a_pull_request() {
    const STYLE: &str = "body{margin:0;width:780px;font:14px/1.5 sans-serif}\
        table{display:block;width:max-content;max-width:100%;overflow:auto;border-collapse:collapse}\
        td,th{padding:6px 13px;border:1px solid}code{font-size:85%;padding:.2em .4em}";
    let scene = Scene::new();
    page(&scene);
    let arguments = "--manifest now.json --manifest ios.json --baseline before.json";
    scene.report(20, &format!("{arguments} --format markdown --output comment.md"));
    let comment = scene.read("comment.md");
    let parser = pulldown_cmark::Parser::new_ext(&comment, pulldown_cmark::Options::ENABLE_TABLES);
    let mut body = String::new();
    pulldown_cmark::html::push_html(&mut body, parser);
    let page = format!("<meta charset=utf-8><style>{STYLE}</style>{body}");
    scene.write("comment.html", &page);
    let browser = Browser::start();
    browser.open(&scene.path("comment.html"));
    browser.eval("document.querySelectorAll('details').forEach(it => { it.open = true; })");
    let found = browser.eval(
        "return [...document.querySelectorAll('table')].map(it => [it.scrollWidth, it.clientWidth])",
    );
    let tables = found.as_array().unwrap();
    assert!(tables.len() >= 6, "{found}");
    for table in tables {
        assert_eq!(table[0], table[1], "a table scrolls sideways: {found}");
    }
}

/// The page itself was the only thing loaded, and its policy lets it load nothing.
fn nobody_was_asked(browser: &Browser, page: &str) {
    assert_eq!(browser.log("browser"), Vec::<Value>::new(), "the console is empty");
    let messages = browser.log("performance");
    let requests: Vec<_> = messages
        .iter()
        .filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            (message["method"] == "Network.requestWillBeSent")
                .then(|| message["params"]["request"]["url"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(requests, [format!("file://{page}")]);
    for attempt in ["fetch('data:,x')", "import('data:text/javascript,1')"] {
        let result =
            browser.eval(&format!("return {attempt}.then(() => 'loaded', () => 'refused')"));
        assert_eq!(result, "refused", "{attempt}");
    }
    let refused = browser.log("browser");
    assert!(refused.iter().all(|entry| entry["message"].to_string().contains("Content Security")));
    assert!(!refused.is_empty());
}

#[test]
#[ignore = "needs a browser: scripts/setup-browser.sh"]
fn names_of_strangers_are_text() {
    let scene = Scene::new();
    let evil = "</script><script>window.owned = 1</script><img src=x onerror=owned=2>";
    let mut now = package("android", 2);
    let before = now.clone();
    now["models"][0]["quantization"] = evil.into();
    now["models"][0]["model_id"] = "<b onmouseover=owned=3>".into();
    now["libraries"][0]["models"] = json!([now["models"][0]["model_id"]]);
    now["libraries"][0]["largest_kernels"][0]["name"] = evil.into();
    scene.manifest("now.json", &now).manifest("before.json", &before);
    let arguments = "--manifest now.json --baseline before.json";
    scene.report(0, &format!("{arguments} --format html --output report.html"));
    let browser = Browser::start();
    browser.open(&scene.path("report.html"));
    let found = browser.eval(
        "return [typeof window.owned, document.images.length, document.querySelectorAll('b[onmouseover]').length,
             document.querySelector('#table-models tbody').textContent.includes('<b onmouseover=owned=3>'),
             document.querySelector('#table-parts tbody').textContent.includes('</script><script>window.owned')]",
    );
    assert_eq!(found, json!(["undefined", 0, 0, true, true]));
    assert_eq!(browser.log("browser"), Vec::<Value>::new());
}
