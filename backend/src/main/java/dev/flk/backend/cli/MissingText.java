// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.wal.Damage;

/** Missing records in the columns of a table. */
final class MissingText {
    private MissingText() {}

    /** {@code 4}, {@code 4 to 6}. */
    static String sequences(Damage damage) {
        return damage.firstMissing() == damage.lastMissing()
                ? String.valueOf(damage.firstMissing())
                : damage.firstMissing() + " to " + damage.lastMissing();
    }

    /** Where in the file. */
    static String place(Damage damage) {
        return switch (damage.kind()) {
            case BROKEN -> String.valueOf(damage.offset());
            case ABSENT -> "not there";
        };
    }
}
