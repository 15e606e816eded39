//! Which part of the map is seen, and how large. Pure.

/// What is drawn at 1 is not made larger than this.
const SCALE_MAX: f64 = 2.0;
const SCALE_MIN: f64 = 0.05;

/// Nothing is fitted larger than this: few nodes should not look like many.
const FIT_MAX: f64 = 1.0;

/// CSS pixels around what is fitted.
const MARGIN: f64 = 24.0;

/// A rectangle of the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

/// A point of the map is seen at `point * scale + (x, y)` CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// CSS pixels per unit of the map.
    pub scale: f64,
    /// CSS pixels to the right.
    pub x: f64,
    /// CSS pixels down.
    pub y: f64,
}

impl Camera {
    /// Shows all of it in the middle of a canvas of this width and height.
    pub fn fit(bounds: Bounds, (width, height): (f64, f64)) -> Self {
        let (w, h) = ((bounds.right - bounds.left).max(1.0), (bounds.bottom - bounds.top).max(1.0));
        let room = |size: f64| (size - 2.0 * MARGIN).max(1.0);
        let scale = (room(width) / w).min(room(height) / h).clamp(SCALE_MIN, FIT_MAX);
        Self {
            scale,
            x: width / 2.0 - f64::midpoint(bounds.left, bounds.right) * scale,
            y: height / 2.0 - f64::midpoint(bounds.top, bounds.bottom) * scale,
        }
    }

    /// The same with the point under the pointer where it is.
    pub fn zoomed(self, factor: f64, (x, y): (f64, f64)) -> Self {
        let scale = (self.scale * factor).clamp(SCALE_MIN, SCALE_MAX);
        let factor = scale / self.scale;
        Self { scale, x: x - (x - self.x) * factor, y: y - (y - self.y) * factor }
    }

    /// Moved by so many CSS pixels.
    pub fn moved(self, dx: f64, dy: f64) -> Self {
        Self { x: self.x + dx, y: self.y + dy, ..self }
    }

    /// Moved as little as needed to show what it can of the rectangle.
    pub fn revealing(self, bounds: Bounds, (width, height): (f64, f64)) -> Self {
        let shift = |low: f64, high: f64, size: f64| {
            if low < MARGIN || high - low > size - 2.0 * MARGIN {
                MARGIN - low
            } else {
                (size - MARGIN - high).min(0.0)
            }
        };
        let along = |value: f64, offset: f64| value * self.scale + offset;
        self.moved(
            shift(along(bounds.left, self.x), along(bounds.right, self.x), width),
            shift(along(bounds.top, self.y), along(bounds.bottom, self.y), height),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { left: 100.0, top: 0.0, right: 1100.0, bottom: 200.0 };

    fn seen(camera: Camera, x: f64, y: f64) -> (f64, f64) {
        (x * camera.scale + camera.x, y * camera.scale + camera.y)
    }

    // Catches maps that are cut at an edge, or few nodes as large as the page.
    #[test]
    fn everything_fits() {
        let camera = Camera::fit(BOUNDS, (548.0, 400.0));
        assert_eq!(seen(camera, 100.0, 100.0), (24.0, 200.0));
        assert_eq!(seen(camera, 1100.0, 0.0), (524.0, 150.0));
        let large = Camera::fit(BOUNDS, (9_000.0, 9_000.0));
        assert_eq!(seen(large, 600.0, 100.0), (4_500.0, 4_500.0));
        assert_eq!(seen(large, 601.0, 100.0), (4_501.0, 4_500.0));
        assert!(Camera::fit(BOUNDS, (0.0, 0.0)).scale > 0.0);
    }

    // Catches a zoom that runs away from the pointer, also at its limits.
    #[test]
    fn the_point_under_the_pointer_stays() {
        let camera = Camera { scale: 1.0, x: 30.0, y: -20.0 };
        for factor in [1.5, 0.01, 100.0] {
            let zoomed = camera.zoomed(factor, (200.0, 100.0));
            let (x, y) = seen(zoomed, 170.0, 120.0);
            assert!((x - 200.0).abs() < 1e-9 && (y - 100.0).abs() < 1e-9, "{factor}: {x} {y}");
        }
    }

    // Catches a node that the keyboard is on and nobody sees, and moves without need.
    #[test]
    fn what_is_hidden_is_revealed() {
        let camera = Camera { scale: 1.0, x: 0.0, y: 0.0 };
        let node = |left: f64, top: f64| Bounds { left, top, right: left + 100.0, bottom: top + 40.0 };
        assert_eq!(camera.revealing(node(200.0, 200.0), (800.0, 600.0)), camera);
        assert_eq!(camera.revealing(node(900.0, 200.0), (800.0, 600.0)), camera.moved(-224.0, 0.0));
        assert_eq!(camera.revealing(node(200.0, -100.0), (800.0, 600.0)), camera.moved(0.0, 124.0));
    }
}
