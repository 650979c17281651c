// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.io.IOException;
import java.util.Random;

/**
 * In half of the histories, somebody moves segments away now and then, and puts them back, or never does; and logrotate renames and
 * compresses what is written to.
 */
final class Meddler {
    private static final int STEPS_BETWEEN = 12;

    private final Random random;
    private final boolean active;

    Meddler(Random random) {
        this.random = random;
        this.active = random.nextBoolean();
    }

    /** While it runs. */
    void step(Simulation simulation) throws IOException {
        if (!active || random.nextInt(STEPS_BETWEEN) > 0) {
            return;
        }
        switch (random.nextInt(7)) {
            case 6 -> simulation.moved.rotate(random);
            case 0 -> simulation.moved.moveNewest();
            case 1 -> simulation.moved.moveClosed(random);
            case 2 -> simulation.moved.putBack();
            default -> simulation.stepWatch();
        }
    }

    /** While it does not run. */
    void stepBeforeAStart(Simulation simulation) throws IOException {
        if (active && random.nextInt(4) == 0) {
            simulation.moved.moveClosed(random);
        }
    }
}
