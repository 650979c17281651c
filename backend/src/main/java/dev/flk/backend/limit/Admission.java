// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import org.jspecify.annotations.Nullable;

/**
 * What {@link Limits#admit} said of a submission.
 *
 * @param heldBack null: it was admitted, and has a token of all
 * @param leftTokens in the bucket of all, after that
 * @param isImpatient whether its address was told to wait, and did not
 */
public record Admission(@Nullable HeldBack heldBack, long leftTokens, boolean isImpatient) {
    static Admission held(HeldBack heldBack) {
        return new Admission(heldBack, 0, false);
    }
}
