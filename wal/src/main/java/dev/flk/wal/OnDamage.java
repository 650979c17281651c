// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

/** What a reader does when it meets damage (never: a torn tail, which is normal). */
public enum OnDamage {
    /** Stop with a {@link DamagedLogException}. */
    STOP,
    /** Note it and go on behind it. */
    SKIP
}
