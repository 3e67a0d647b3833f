//! Bones and the patient table.

use super::body::Body;
use super::solid::{Ellipsoid, Mm3, Shape, Solid, unit};

/// Radiodensity of compact bone, of spongy bone and of cartilage.
const CORTEX: f32 = 620.0;
const MARROW: f32 = 190.0;
const CARTILAGE: f32 = 95.0;
/// Distance between vertebrae.
const LEVEL_MM: f32 = 23.0;

/// Spine, ribs, sternum, clavicles, shoulder blades.
pub(crate) fn bones(body: &Body) -> Vec<Shape> {
    let mut bones = spine();
    for side in [-1.0, 1.0] {
        for rib in 0..12 {
            bones.extend(ribs(body, side, rib));
        }
        bones.extend(girdle(side));
    }
    let front = body.wall(0.0, -std::f32::consts::FRAC_PI_2, 6.0)[1];
    for (shell, hu) in [(0.0, CORTEX - 200.0), (2.0, MARROW - 60.0)] {
        let radii = [18.0 - shell, 6.0 - shell];
        let drum = |z, half_height| Solid::Drum {
            center: [0.0, front, z],
            radii,
            half_height,
        };
        bones.push(Shape::new(drum(-8.0, 52.0 - shell), hu));
        bones.push(Shape::new(drum(64.0, 17.0 - shell), hu));
    }
    bones
}

fn spine() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let body_y = 64.0;
    let canal_y = body_y + 23.0;
    let column = |radius, hu| {
        let ends = [[0.0, canal_y, -170.0], [0.0, canal_y, 150.0]];
        Shape::new(Solid::stick(ends[0], ends[1], radius), hu)
    };
    // Discs lie between the bodies; what shows of this column is only there.
    let disc = Solid::Drum {
        center: [0.0, body_y, -10.0],
        radii: [17.0, 14.5],
        half_height: 160.0,
    };
    shapes.push(Shape::new(disc, 85.0));
    for level in 0..14 {
        let z = -157.0 + LEVEL_MM * level as f32;
        let drum = |shell: f32| Solid::Drum {
            center: [0.0, body_y, z],
            radii: [18.0 - shell, 15.0 - shell],
            half_height: 9.3 - shell,
        };
        shapes.push(Shape::new(drum(0.0), CORTEX - 180.0));
        shapes.push(Shape::new(drum(1.6), MARROW));
        let arch = Ellipsoid::upright([0.0, canal_y, z], [15.0, 12.5, 8.0]);
        shapes.push(Shape::new(Solid::Ellipsoid(arch), CORTEX - 250.0));
        let spinous = Solid::Stick {
            from: [0.0, canal_y + 9.0, z],
            to: [0.0, canal_y + 27.0, z - 14.0],
            radii: [4.0, 3.2],
        };
        shapes.push(Shape::new(spinous, CORTEX - 250.0));
        for side in [-1.0, 1.0] {
            let (from, to) = (
                [12.0 * side, canal_y, z],
                [31.0 * side, canal_y + 7.0, z + 3.0],
            );
            shapes.push(Shape::new(
                Solid::Stick {
                    from,
                    to,
                    radii: [4.5, 4.0],
                },
                CORTEX - 280.0,
            ));
        }
    }
    shapes.push(column(8.5, 20.0));
    shapes.push(column(4.5, 38.0));
    shapes
}

/// One rib: round the chest wall, falling from the back to the front.
fn ribs(body: &Body, side: f32, rib: usize) -> Vec<Shape> {
    const PIECES: usize = 16;
    let back_z = 104.0 - LEVEL_MM * rib as f32;
    // Floating ribs end at the flank, upper ribs reach the sternum.
    let reach = match rib {
        0..=6 => 1.0,
        7..=9 => 0.8,
        _ => 0.5,
    };
    let fall = if rib < 2 { 28.0 } else { 62.0 };
    let half_turn = std::f32::consts::PI * 0.88;
    let place = |step: f32| -> Mm3 {
        let angle = std::f32::consts::FRAC_PI_2 - step * half_turn;
        let z = back_z - fall * step.powf(1.3);
        let at = body.wall(z.min(94.0), angle, 6.0);
        // Towards the spine a rib leaves the wall and meets its vertebra.
        let joint = (1.0 - step * 9.0).clamp(0.0, 1.0);
        let x = (at[0] + 16.0 * joint) * side;
        [x, at[1] - 6.0 * joint, z]
    };
    let mut pieces = Vec::new();
    for (shell, hu) in [(0.0, CORTEX), (1.7, MARROW)] {
        for piece in 0..PIECES {
            let [from, to] = [piece, piece + 1].map(|n| n as f32 / PIECES as f32);
            if from >= reach {
                break;
            }
            let hu = if from > 0.78 { CARTILAGE } else { hu };
            let solid = Solid::stick(place(from), place(to), 4.9 - shell);
            pieces.push(Shape::new(solid, hu));
        }
    }
    pieces
}

fn girdle(side: f32) -> Vec<Shape> {
    let clavicle = [
        [20.0 * side, -72.0, 92.0],
        [70.0 * side, -62.0, 106.0],
        [142.0 * side, -20.0, 114.0],
    ];
    let mut shapes = Vec::new();
    for (radius, hu) in [(6.0, CORTEX), (4.0, MARROW)] {
        for ends in clavicle.windows(2) {
            shapes.push(Shape::new(Solid::stick(ends[0], ends[1], radius), hu));
        }
    }
    let across = unit([0.75 * side, -0.62, 0.1]);
    for (shell, hu) in [(0.0, CORTEX - 150.0), (1.4, MARROW + 40.0)] {
        let radii = [42.0 - shell, 3.6 - shell, 58.0 - shell];
        // The frame's second vector lies flat, across the blade; its third points upwards.
        let blade = Ellipsoid::along([112.0 * side, 74.0, 62.0], radii, across);
        shapes.push(Shape::new(Solid::Ellipsoid(blade), hu));
    }
    let head = [163.0 * side, 20.0, 118.0];
    shapes.push(Shape::new(Solid::ball(head, 22.0), CORTEX - 150.0));
    shapes.push(Shape::new(Solid::ball(head, 20.0), MARROW + 30.0));
    shapes
}

/// Radiodensity of the table at a place behind a patient whose back is at `back_y`; `None` where
/// there is no table.
pub(crate) fn table(x: f32, y: f32, back_y: f32) -> Option<f32> {
    // Carbon fibre over foam, hollow towards the patient.
    let below = y - (back_y + 5.0 - x * x * 0.0007);
    if x.abs() > 205.0 || !(0.0..26.0).contains(&below) {
        return None;
    }
    Some(if (2.5..23.5).contains(&below) {
        -930.0
    } else {
        -260.0
    })
}
