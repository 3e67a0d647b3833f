//! Soft parts between and below the lungs: heart, vessels, airways, gullet, stomach, spleen.

use super::body::Body;
use super::solid::{Ellipsoid, Mm3, Shape, Solid, add, scale, unit};
use super::tree::{hilum, venous_hilum};
use crate::facts::{AortaPart, Coronary, FactSheet, Side};

/// Muscle, wall of a gut.
const WALL: f32 = 42.0;
/// Air inside a patient.
pub(crate) const GAS: f32 = -985.0;

/// Radiodensity of the blood in different places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blood {
    pub(crate) venous: f32,
    pub(crate) pulmonary: f32,
    pub(crate) arterial: f32,
    pub(crate) muscle: f32,
}

impl Blood {
    /// With or without contrast medium.
    pub(crate) fn of(facts: &FactSheet) -> Self {
        if facts.contrast {
            Self {
                venous: 190.0,
                pulmonary: 240.0,
                arterial: 220.0,
                muscle: 95.0,
            }
        } else {
            Self {
                venous: 42.0,
                pulmonary: 42.0,
                arterial: 43.0,
                muscle: 46.0,
            }
        }
    }
}

/// A chain of sticks through places, each with its radius.
fn chain(places: &[(Mm3, f32)], hu: f32) -> Vec<Shape> {
    let sticks = places.windows(2).map(|ends| {
        let [(from, a), (to, b)] = [ends[0], ends[1]];
        Shape::new(
            Solid::Stick {
                from,
                to,
                radii: [a, b],
            },
            hu,
        )
    });
    sticks.collect()
}

/// The aorta's course, from the heart down to the diaphragm, with its radius.
pub(crate) fn aorta(part: AortaPart) -> &'static [(Mm3, f32)] {
    match part {
        AortaPart::Ascending => &[
            ([-4.0, -26.0, -18.0], 15.0),
            ([-15.0, -32.0, 0.0], 16.0),
            ([-18.0, -30.0, 22.0], 15.5),
            ([-13.0, -24.0, 40.0], 15.0),
        ],
        AortaPart::Arch => &[
            ([-13.0, -24.0, 40.0], 15.0),
            ([-2.0, -12.0, 51.0], 14.5),
            ([12.0, 6.0, 53.0], 14.0),
            ([21.0, 24.0, 46.0], 13.0),
        ],
        AortaPart::Descending => &[
            ([21.0, 24.0, 46.0], 13.0),
            ([24.0, 40.0, 28.0], 12.5),
            ([23.0, 47.0, -20.0], 12.0),
            ([18.0, 48.0, -80.0], 11.5),
            ([6.0, 44.0, -120.0], 11.0),
            ([2.0, 44.0, -175.0], 10.5),
        ],
    }
}

/// The course of a coronary artery on the heart's surface.
pub(crate) fn coronary(body: &Body, vessel: Coronary) -> Vec<Mm3> {
    // Angles in degrees: from the heart's long axis, and around it.
    let course: [(f32, f32); 6] = match vessel {
        Coronary::LeftAnteriorDescending => [
            (112.0, 118.0),
            (98.0, 128.0),
            (82.0, 135.0),
            (62.0, 140.0),
            (42.0, 145.0),
            (24.0, 150.0),
        ],
        Coronary::Circumflex => [
            (112.0, 112.0),
            (106.0, 85.0),
            (102.0, 60.0),
            (98.0, 30.0),
            (97.0, 5.0),
            (96.0, -15.0),
        ],
        Coronary::Right => [
            (118.0, 140.0),
            (112.0, 165.0),
            (106.0, 190.0),
            (102.0, 215.0),
            (100.0, 240.0),
            (98.0, 262.0),
        ],
    };
    let on_surface = course.map(|(from_axis, around)| {
        let (sin, cos) = from_axis.to_radians().sin_cos();
        let (up, aside) = around.to_radians().sin_cos();
        body.heart.grown(2.2).surface([cos, sin * aside, sin * up])
    });
    on_surface.to_vec()
}

/// The way of catheters from a shoulder through the veins to above the right atrium.
pub(crate) fn venous_way(side: Side) -> Vec<Mm3> {
    let x = side.sign();
    let confluence = match side {
        Side::Right => [-24.0, -18.0, 78.0],
        Side::Left => [-18.0, -26.0, 66.0],
    };
    vec![
        [72.0 * x, -52.0, 104.0],
        [38.0 * x, -36.0, 92.0],
        confluence,
        [-27.0, -20.0, 40.0],
        [-25.0, -16.0, 8.0],
    ]
}

/// Heart and great vessels, drawn from the outside in.
pub(crate) fn circulation(body: &Body, blood: Blood) -> Vec<Shape> {
    let heart = body.heart;
    let layer = |ellipsoid, hu| Shape::new(Solid::Ellipsoid(ellipsoid), hu).in_cavity();
    let mut shapes = vec![
        layer(body.pericardium.grown(0.7), 25.0),
        layer(body.pericardium.grown(-0.9), -85.0),
    ];
    if body.pericardium.radii[0] - heart.radii[0] > 6.0 {
        // Fluid between the two leaves, with a little fat left on the heart.
        shapes.push(layer(body.pericardium.grown(-0.4), 11.0));
        shapes.push(layer(heart.grown(2.5), -70.0));
    }
    shapes.push(layer(heart, blood.muscle));
    let [long, aside, up] = heart.axes;
    let size = heart.radii[0] / 64.0;
    let inside = |l: f32, a: f32, u: f32| {
        let offset = add(
            add(scale(long, l * size), scale(aside, a * size)),
            scale(up, u * size),
        );
        add(heart.center, offset)
    };
    let chamber = |center: Mm3, radii: Mm3, hu: f32| {
        let radii = radii.map(|r| r * size);
        layer(Ellipsoid::along(center, radii, long), hu)
    };
    // Left ventricle behind and to the left, right ventricle in front, atria at the base.
    shapes.push(chamber(
        inside(14.0, 16.0, 0.0),
        [34.0, 17.0, 20.0],
        blood.arterial,
    ));
    shapes.push(chamber(
        inside(4.0, -24.0, -4.0),
        [36.0, 12.0, 27.0],
        blood.pulmonary,
    ));
    shapes.push(chamber(
        inside(-42.0, -12.0, -2.0),
        [15.0, 22.0, 26.0],
        blood.venous,
    ));
    shapes.push(chamber(
        inside(-28.0, 26.0, 14.0),
        [18.0, 13.0, 20.0],
        blood.arterial,
    ));

    let trunk = [
        ([14.0, -44.0, -22.0], 13.0),
        ([14.0, -34.0, 0.0], 13.5),
        ([13.0, -20.0, 12.0], 13.0),
    ];
    shapes.extend(chain(&trunk, blood.pulmonary));
    for (side, from, middle) in [
        (Side::Right, [13.0, -20.0, 12.0], [-16.0, -6.0, 8.0]),
        (Side::Left, [13.0, -20.0, 12.0], [26.0, -2.0, 16.0]),
    ] {
        let pulmonary = [(from, 11.5), (middle, 10.0), (hilum(side), 8.0)];
        shapes.extend(chain(&pulmonary, blood.pulmonary));
        let veins = [(inside(-30.0, 24.0, 16.0), 8.0), (venous_hilum(side), 6.5)];
        shapes.extend(chain(&veins, blood.arterial));
    }
    let cava = [
        ([-24.0, -20.0, 62.0], 8.0),
        ([-26.0, -18.0, 25.0], 9.5),
        ([-26.0, -18.0, -25.0], 10.5),
    ];
    shapes.extend(chain(&cava, blood.venous));
    for side in [Side::Right, Side::Left] {
        let way: Vec<_> = venous_way(side)
            .into_iter()
            .take(4)
            .map(|at| (at, 6.0))
            .collect();
        shapes.extend(chain(&way, blood.venous));
    }
    let lower_cava = [([-26.0, -14.0, -75.0], 12.0), ([-22.0, 20.0, -175.0], 11.0)];
    shapes.extend(chain(&lower_cava, blood.venous));
    for part in [AortaPart::Ascending, AortaPart::Arch, AortaPart::Descending] {
        shapes.extend(chain(aorta(part), blood.arterial));
    }
    for (from, to, radius) in [
        ([-10.0, -20.0, 52.0], [-22.0, -18.0, 100.0], 6.0),
        ([1.0, -8.0, 58.0], [14.0, -12.0, 135.0], 4.2),
        ([12.0, 8.0, 60.0], [26.0, 4.0, 110.0], 4.8),
        ([-22.0, -18.0, 100.0], [-24.0, -20.0, 140.0], 4.2),
        ([-22.0, -18.0, 100.0], [-80.0, -22.0, 106.0], 4.2),
        ([26.0, 4.0, 110.0], [80.0, -16.0, 108.0], 4.2),
    ] {
        shapes.push(Shape::new(Solid::stick(from, to, radius), blood.arterial));
    }
    for vessel in [
        Coronary::LeftAnteriorDescending,
        Coronary::Circumflex,
        Coronary::Right,
    ] {
        let course: Vec<_> = coronary(body, vessel)
            .into_iter()
            .map(|at| (at, 1.5))
            .collect();
        shapes.extend(chain(&course, blood.arterial));
    }
    shapes
}

/// Windpipe and main bronchi: walls first, then the air in them.
pub(crate) fn airways() -> Vec<Shape> {
    let carina = [-1.0, 12.0, 22.0];
    let pipes = [
        ([0.0, 2.0, 150.0], carina, [9.5, 8.8]),
        (carina, [-16.0, 13.0, 13.0], [8.0, 7.4]),
        ([-16.0, 13.0, 13.0], hilum(Side::Right), [7.4, 6.0]),
        (carina, [18.0, 15.0, 12.0], [7.4, 6.8]),
        ([18.0, 15.0, 12.0], hilum(Side::Left), [6.8, 5.6]),
    ];
    let layer = |wall: f32, hu: f32| {
        pipes.map(|(from, to, radii)| {
            Shape::new(
                Solid::Stick {
                    from,
                    to,
                    radii: radii.map(|r| r + wall),
                },
                hu,
            )
        })
    };
    [layer(1.6, 35.0), layer(0.0, GAS)].concat()
}

/// Gullet, stomach and spleen.
pub(crate) fn digestion() -> Vec<Shape> {
    let gullet = [
        ([3.0, 22.0, 150.0], 6.5),
        ([4.0, 30.0, 30.0], 6.5),
        ([5.0, 36.0, -60.0], 7.0),
        ([14.0, 30.0, -105.0], 8.0),
    ];
    let mut shapes = chain(&gullet, 38.0);
    shapes.push(Shape::new(Solid::ball([4.0, 29.0, 45.0], 2.2), -600.0));
    shapes.extend(pouch([62.0, -18.0, -132.0], [38.0, 46.0, 26.0], 0.42));
    let spleen = Ellipsoid::along(
        [96.0, 48.0, -140.0],
        [24.0, 42.0, 36.0],
        unit([0.8, 0.6, 0.0]),
    );
    shapes.push(Shape::new(Solid::Ellipsoid(spleen), 52.0));
    shapes
}

/// Stomach above the diaphragm, if there is any.
pub(crate) fn hernia(body: &Body) -> Vec<Shape> {
    body.hernia
        .map(|hernia| pouch(hernia.center, hernia.radii, 0.40).to_vec())
        .unwrap_or_default()
}

/// A piece of stomach with fluid and, as a share of its depth, air.
fn pouch(center: Mm3, radii: Mm3, air: f32) -> [Shape; 3] {
    let whole = Ellipsoid::upright(center, radii);
    // Air floats: it lies in front of the fluid.
    let bubble = Ellipsoid::upright(
        [center[0], center[1] - radii[1] * 0.42, center[2]],
        [radii[0] * 0.72, radii[1] * air, radii[2] * 0.72],
    );
    [
        Shape::new(Solid::Ellipsoid(whole), WALL),
        Shape::new(Solid::Ellipsoid(whole.grown(-3.5)), 14.0),
        Shape::new(Solid::Ellipsoid(bubble), GAS),
    ]
}

/// Hepatic veins: what makes a liver look like one.
pub(crate) fn liver_veins(blood: Blood) -> Vec<Shape> {
    let hub = [-24.0, 16.0, -98.0];
    let hu = if blood.venous > 100.0 { 130.0 } else { 38.0 };
    [
        [-95.0, 10.0, -122.0],
        [-60.0, -42.0, -116.0],
        [-6.0, -48.0, -120.0],
        [-70.0, 48.0, -132.0],
    ]
    .map(|to| {
        Shape::new(
            Solid::Stick {
                from: hub,
                to,
                radii: [5.0, 2.0],
            },
            hu,
        )
    })
    .to_vec()
}
