//! The map as an SVG file that needs no style sheet.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};

use super::camera::Bounds;

/// Units around the drawing.
const MARGIN: f64 = 16.0;

/// The rules of the drawing; the colours of services are written into the elements.
const RULES: &str = include_str!("../../../style/52-map-drawing.css");

/// Offers the drawing as a file; false if the browser cannot.
pub fn download(bounds: Bounds) -> bool {
    save(bounds).is_ok()
}

fn save(bounds: Bounds) -> Result<(), JsValue> {
    let missing = || JsValue::from_str("the map is not on the page");
    let svg = document().query_selector(".map-svg")?.ok_or_else(missing)?;
    let part = |selector: &str| -> Result<String, JsValue> {
        let element = svg.query_selector(selector)?.ok_or_else(missing)?;
        web_sys::XmlSerializer::new()?.serialize_to_string(&element)
    };
    let content = part("defs")? + &part("#map-content")?;
    let paint = Paint::new()?;
    let file = standalone(&content, bounds, RULES, &|name| paint.value(name), &|hue| paint.hue(hue));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type("image/svg+xml");
    let parts = js_sys::Array::of1(&JsValue::from_str(&file));
    let blob = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let link = document().create_element("a")?.dyn_into::<web_sys::HtmlAnchorElement>()?;
    link.set_href(&url);
    link.set_download("service-map.svg");
    link.click();
    web_sys::Url::revoke_object_url(&url)
}

/// Turns the theme's values into ones that every program knows.
struct Paint {
    style: web_sys::CssStyleDeclaration,
    context: web_sys::CanvasRenderingContext2d,
}

impl Paint {
    fn new() -> Result<Self, JsValue> {
        let missing = || JsValue::from_str("no canvas");
        let root = document().document_element().ok_or_else(missing)?;
        let style = window().get_computed_style(&root)?.ok_or_else(missing)?;
        let canvas = document().create_element("canvas")?.dyn_into::<web_sys::HtmlCanvasElement>()?;
        let context = canvas.get_context("2d")?.ok_or_else(missing)?;
        Ok(Self { style, context: context.dyn_into()? })
    }

    /// A custom property: a colour as #rrggbb, anything else as it is.
    fn value(&self, name: &str) -> String {
        let value = self.style.get_property_value(name).unwrap_or_default().trim().to_owned();
        if value.starts_with("oklch(") { self.hex(&value) } else { value }
    }

    fn hue(&self, hue: &str) -> String {
        let (l, c) = (self.value("--service-l"), self.value("--service-c"));
        self.hex(&format!("oklch({l} {c} {hue})"))
    }

    /// What the browser makes of a colour.
    fn hex(&self, color: &str) -> String {
        self.context.set_fill_style_str(color);
        self.context.clear_rect(0.0, 0.0, 1.0, 1.0);
        self.context.fill_rect(0.0, 0.0, 1.0, 1.0);
        let pixel = self.context.get_image_data(0.0, 0.0, 1.0, 1.0).map(|image| image.data().0);
        match pixel.as_deref() {
            Ok([red, green, blue, ..]) => format!("#{red:02x}{green:02x}{blue:02x}"),
            _ => "#888888".to_owned(),
        }
    }
}

/// The file: the drawing without the camera, and its rules with the values of their properties.
fn standalone(
    content: &str,
    bounds: Bounds,
    rules: &str,
    value: &dyn Fn(&str) -> String,
    hue: &dyn Fn(&str) -> String,
) -> String {
    let (left, top) = (bounds.left - MARGIN, bounds.top - MARGIN);
    let (width, height) = (bounds.right - left + MARGIN, bounds.bottom - top + MARGIN);
    let rules = between(rules, "var(", ")", &|name| value(name));
    let content = between(content, "style=\"--hue:", "\"", &|found| {
        format!("fill=\"{}\"", hue(found.trim().trim_end_matches(';')))
    });
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left:.0} {top:.0} {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" class=\"map-svg\"><style>{rules}</style>\
         <rect x=\"{left:.0}\" y=\"{top:.0}\" width=\"100%\" height=\"100%\" fill=\"{}\"/>{}</svg>",
        value("--surface-0"),
        without_camera(&content),
    )
}

/// Replaces each stretch from `open` to `close`, both included, by what is made of what is between.
fn between(text: &str, open: &str, close: &str, make: &dyn Fn(&str) -> String) -> String {
    let mut parts = text.split(open);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(close) {
            Some((found, rest)) => {
                result.push_str(&make(found));
                result.push_str(rest);
            }
            None => result.push_str(part),
        }
    }
    result
}

/// The group's own transformation is what the page shows of it.
fn without_camera(content: &str) -> String {
    let Some((before, group)) = content.split_once("id=\"map-content\"") else { return content.to_owned() };
    let Some((attributes, rest)) = group.split_once('>') else { return content.to_owned() };
    let attributes = between(attributes, "transform=\"", "\"", &|_| String::new());
    format!("{before}id=\"map-content\"{attributes}>{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches files that other programs show black, cut off or as far away as the page does.
    #[test]
    fn a_file_stands_alone() {
        let content = "<defs/><g xmlns=\"s\" id=\"map-content\" class=\"\" transform=\"scale(0.1)\">\
             <g transform=\"translate(1 2)\"><rect style=\"--hue: 96;\"/></g></g>";
        let bounds = Bounds { left: 0.0, top: -20.0, right: 100.0, bottom: 60.0 };
        let file = standalone(
            content,
            bounds,
            ".a { fill: var(--ok); stroke: var(--line) }",
            &|name| format!("[{name}]"),
            &|hue| format!("<{hue}>"),
        );
        assert!(file.contains("viewBox=\"-16 -36 132 112\""), "{file}");
        assert!(file.contains("fill: [--ok]; stroke: [--line] }"), "{file}");
        assert!(file.contains("<g transform=\"translate(1 2)\"><rect fill=\"<96>\"/>"), "{file}");
        assert!(!file.contains("scale(0.1)") && !file.contains("var("), "{file}");
    }

    // Catches a rule of the drawing whose value is known on the page only.
    #[test]
    fn the_rules_use_plain_values() {
        for word in ["color-mix", "--hue", "calc("] {
            assert!(!RULES.contains(word), "{word}");
        }
    }
}
