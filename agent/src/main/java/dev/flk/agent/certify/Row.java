// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.canonical.CanonicalDouble;

/**
 * One measurement.
 *
 * @param timestampSeconds seconds since 1970, with a fraction
 */
record Row(double timestampSeconds, double x, double y, double z) {

    Row {
        if (!Double.isFinite(timestampSeconds) || !Double.isFinite(x) || !Double.isFinite(y) || !Double.isFinite(z)) {
            throw new IllegalArgumentException("a row has finite numbers only");
        }
    }

    /**
     * The row as {@code timestamp,x,y,z}, each number in the shortest text that reads back. This, not the text of the
     * file, is what is hashed and compressed: {@code 1.50} and {@code 1.5} are the same measurement.
     */
    String text() {
        return CanonicalDouble.print(timestampSeconds)
                + ","
                + CanonicalDouble.print(x)
                + ","
                + CanonicalDouble.print(y)
                + ","
                + CanonicalDouble.print(z);
    }
}
