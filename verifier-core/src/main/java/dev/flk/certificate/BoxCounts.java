// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The field {@code N_j}: the number of occupied boxes at each scale.
 *
 * @param scales distinct decimals without leading zeros, as spelled in the certificate; they may exceed 64 bits.
 *     Neither this list nor {@code counts} is copied, so the caller must not change them
 * @param counts the count for each of {@code scales}
 */
public record BoxCounts(List<String> scales, List<Long> counts) {
    private static final int MAX_INT_DIGITS = 10;

    public BoxCounts {
        if (scales.size() != counts.size()) {
            throw new IllegalArgumentException(scales.size() + " scales have " + counts.size() + " counts");
        }
        scales = Collections.unmodifiableList(scales);
        counts = Collections.unmodifiableList(counts);
    }

    /** Returns the count for a scale; null if the certificate has no count for it. */
    public @Nullable Long get(int scale) {
        for (int i = 0; i < scales.size(); i++) {
            String name = scales.get(i);
            if (name.length() <= MAX_INT_DIGITS && Long.parseLong(name) == scale) {
                return counts.get(i);
            }
        }
        return null;
    }
}
