// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;

/** Something that had been forced to disk is gone or changed; nothing is decided on such a log until it was repaired. */
public final class DamagedLogException extends IOException {
    private static final long serialVersionUID = 1;

    private final transient Damage damage;

    /** For the first damage that was met. */
    public DamagedLogException(Damage damage) {
        super(damage.describe());
        this.damage = damage;
    }

    /** Where and what. */
    public Damage damage() {
        return damage;
    }
}
