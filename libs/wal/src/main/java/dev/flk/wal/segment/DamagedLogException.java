// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import java.io.IOException;

/** Forced records are missing or were changed, and the log or its reader was opened with {@code OnDamage.STOP}. */
public final class DamagedLogException extends IOException {
    private static final long serialVersionUID = 1;

    private final transient Damage damage;

    /** Creates an exception for the first damage that was found. */
    public DamagedLogException(Damage damage) {
        super(damage.describe());
        this.damage = damage;
    }

    public Damage damage() {
        return damage;
    }
}
