//! What is solid: nodes, nodules, collapsed lung, scars.

use super::Lesions;
use crate::facts::{AtelectasisKind, FibrosisKind, Lobe, Nodule, NoduleKind, Severity, Station};
use crate::random::Random;
use crate::scene::field::Pattern;
use crate::scene::solid::{Ellipsoid, Shape, Solid, add, scale, sub, unit};

impl Lesions<'_> {
    pub(super) fn node(
        &mut self,
        label: usize,
        station: Station,
        short_axis: f32,
        random: &mut Random,
    ) {
        let r = 0.5 * short_axis;
        // Beside what is there already, further off the larger the node.
        let center = match station {
            Station::RightParatracheal => [-12.0 - 0.5 * r, 2.0, 46.0 + r],
            Station::Prevascular => [10.0, -46.0 - 0.3 * r, 40.0],
            Station::Subcarinal => [0.0, 17.0 + 0.3 * r, 4.0 - 0.6 * r],
            Station::RightHilar => [-36.0 - 0.3 * r, 2.0 - 0.6 * r, -8.0 - 0.4 * r],
            Station::LeftHilar => [38.0 + 0.3 * r, 8.0 - 0.6 * r, -6.0 - 0.4 * r],
            Station::Axillary(side) => [side.sign() * 146.0, 10.0, 78.0],
        };
        let spots = 1 + random.below(3);
        for spot in 0..spots {
            let size = r * if spot == 0 {
                1.0
            } else {
                random.between(0.6, 0.9)
            };
            let drift = if spot == 0 {
                [0.0; 3]
            } else {
                scale(random.direction(), 1.6 * r)
            };
            let node = Ellipsoid::along(
                add(center, drift),
                [1.35 * size, size, size],
                random.direction(),
            );
            // Drawn last: large nodes push vessels aside and bulge into the lung.
            let shape = Shape::new(Solid::Ellipsoid(node), 48.0);
            self.on_top.push(shape);
        }
        self.mark(label, center, 0.5 * r);
    }

    pub(super) fn nodule(&mut self, label: usize, nodule: &Nodule, random: &mut Random) {
        let radius = 0.5 * nodule.diameter_mm * self.mm;
        let at = self.place(nodule.lobe, radius + 1.0, random);
        let hu = match nodule.kind {
            NoduleKind::Solid => 35.0,
            NoduleKind::GroundGlass => -560.0,
            NoduleKind::Calcified => 620.0,
        };
        let bumps = if nodule.kind == NoduleKind::Calcified {
            0.0
        } else {
            0.12 * radius
        };
        self.in_lung.push(
            Shape::new(Solid::ball(at, radius), hu)
                .bumpy(bumps)
                .in_lung(),
        );
        self.mark(label, at, 0.45 * radius);
    }

    pub(super) fn atelectasis(
        &mut self,
        label: usize,
        severity: Severity,
        kind: AtelectasisKind,
        lobes: &[Lobe],
        random: &mut Random,
    ) {
        match kind {
            AtelectasisKind::Dependent => {
                let fluid = lobes.iter().any(|lobe| self.body.fluid(lobe.side()) > 0.0);
                let thickness = [9.0, 16.0, 26.0][severity.degree() - 1];
                // Collapsed lung lies on the fluid, not on the wall.
                let under = lobes
                    .iter()
                    .map(|lobe| self.body.fluid(lobe.side()))
                    .fold(0.0, f32::max);
                let thickness_mm = if fluid { thickness + under } else { thickness };
                self.field(
                    label,
                    Pattern::Dependent { thickness_mm },
                    32.0,
                    lobes,
                    random,
                );
            }
            AtelectasisKind::Linear => {
                for &lobe in lobes {
                    for _ in 0..severity.degree() + 1 {
                        let at = self.place(lobe, 7.0, random);
                        let at = [at[0], at[1], at[2].min(-20.0)];
                        let at = if self.body.lung(at) < -4.0 {
                            at
                        } else {
                            self.place(lobe, 7.0, random)
                        };
                        let radii = [
                            random.between(1.6, 2.4),
                            random.between(16.0, 26.0),
                            random.between(12.0, 20.0),
                        ];
                        // Plates lie nearly flat.
                        let up = unit([random.between(-0.4, 0.4), random.between(-0.7, 0.7), 1.0]);
                        let plate = Ellipsoid::along(at, radii, up);
                        let shape = Shape::new(Solid::Ellipsoid(plate), 20.0);
                        self.in_lung.push(shape.in_lung().bumpy(0.5));
                        self.mark(label, at, 0.8);
                    }
                }
            }
        }
    }

    pub(super) fn fibrosis(
        &mut self,
        label: usize,
        kind: FibrosisKind,
        lobe: Lobe,
        random: &mut Random,
    ) {
        match kind {
            FibrosisKind::Bands => {
                for _ in 0..3 {
                    let from = self.place(lobe, 4.0, random);
                    // Outwards to the pleura.
                    let outward =
                        unit([from[0] - 45.0 * lobe.side().sign(), from[1], 0.3 * from[2]]);
                    let mut to = from;
                    for _ in 0..70 {
                        if self.body.lung(to) > 0.0 {
                            break;
                        }
                        to = add(to, outward);
                    }
                    let inner = add(from, scale(outward, -12.0));
                    let radii = [1.2, 2.6];
                    let band = Solid::Stick {
                        from: inner,
                        to,
                        radii,
                    };
                    self.in_lung
                        .push(Shape::new(band, -10.0).in_lung().bumpy(0.5));
                    self.mark(label, add(inner, scale(sub(to, inner), 0.5)), 0.8);
                }
            }
            FibrosisKind::Apical => {
                for _ in 0..5 {
                    let side = lobe.side().sign();
                    let mut at = [side * 42.0, 16.0, 86.0];
                    for _ in 0..60 {
                        let try_at = [
                            side * random.between(25.0, 70.0),
                            random.between(-25.0, 55.0),
                            random.between(74.0, 98.0),
                        ];
                        if (-9.0..-2.5).contains(&self.body.lung(try_at)) {
                            at = try_at;
                            break;
                        }
                    }
                    let radii = [
                        random.between(2.5, 4.0),
                        random.between(5.0, 10.0),
                        random.between(2.5, 5.0),
                    ];
                    let scar = Ellipsoid::along(at, radii, random.direction());
                    self.in_lung.push(
                        Shape::new(Solid::Ellipsoid(scar), 15.0)
                            .in_lung()
                            .bumpy(1.0),
                    );
                    self.mark(label, at, 0.8);
                }
            }
        }
    }
}
