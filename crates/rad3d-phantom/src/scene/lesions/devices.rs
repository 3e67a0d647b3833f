//! What doctors left: lines, ports, pacemakers, wires.

use super::Lesions;
use crate::facts::Device;
use crate::scene::organs;
use crate::scene::solid::{Ellipsoid, Mm3, Shape, Solid, unit};

/// Radiodensity of metal, within what a scanner's 12 bits can say.
const METAL: f32 = 2900.0;

impl Lesions<'_> {
    pub(super) fn device(&mut self, device: Device) {
        let mut wire = |places: &[Mm3], radius: f32| {
            for ends in places.windows(2) {
                self.on_top
                    .push(Shape::new(Solid::stick(ends[0], ends[1], radius), METAL));
            }
        };
        let marked = match device {
            Device::CentralLine(side) => {
                let mut way = organs::venous_way(side);
                way.insert(0, [64.0 * side.sign(), -60.0, 130.0]);
                wire(&way, 1.5);
                way[3]
            }
            Device::Port(side) | Device::Pacemaker(side) => {
                let mut way = organs::venous_way(side);
                let pocket = self.pocket(78.0 * side.sign(), 66.0);
                way.insert(0, pocket);
                let radii = if matches!(device, Device::Port(_)) {
                    [11.0, 5.0, 11.0]
                } else {
                    way.push([-14.0, -34.0, -34.0]);
                    // The right ventricle's tip.
                    way.push(
                        self.body
                            .heart
                            .grown(-9.0)
                            .surface(unit([0.75, -0.5, -0.35])),
                    );
                    [24.0, 5.5, 20.0]
                };
                let case = Ellipsoid::upright(pocket, radii);
                self.on_top.push(Shape::new(Solid::Ellipsoid(case), METAL));
                for ends in way.windows(2) {
                    self.on_top
                        .push(Shape::new(Solid::stick(ends[0], ends[1], 1.4), METAL));
                }
                if let (Device::Pacemaker(_), Some(tip)) = (device, way.last()) {
                    self.on_top.push(Shape::new(Solid::ball(*tip, 2.4), METAL));
                }
                pocket
            }
            Device::SternalWires => {
                let front = self.body.wall(0.0, -std::f32::consts::FRAC_PI_2, 6.0)[1];
                for z in [-52.0, -30.0, -8.0, 14.0, 36.0, 62.0] {
                    let y = front - 8.0;
                    wire(&[[-17.0, y, z], [17.0, y, z + 2.0]], 1.2);
                    wire(&[[-17.0, y, z], [-16.0, y + 14.0, z]], 1.2);
                    wire(&[[17.0, y, z], [16.0, y + 14.0, z]], 1.2);
                    wire(&[[0.0, y, z], [4.0, y - 3.0, z + 5.0]], 1.6);
                }
                [0.0, front - 8.0, 15.0]
            }
        };
        self.mark(0, marked, 0.8);
    }

    /// A place under the skin of the front of the chest.
    fn pocket(&self, x: f32, z: f32) -> Mm3 {
        let level = self.body.level(z);
        let mut y = 0.0;
        // Forwards out of the muscle, then a case's thickness further.
        while y > -200.0 && level.in_muscle(x, y) {
            y -= 1.0;
        }
        [x, y - 1.0, z]
    }
}
