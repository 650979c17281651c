// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

/**
 * A text that must not be printed. {@link #toString} returns a placeholder, even if the secret is printed as part of a
 * record.
 */
public record Secret(String text) {
    @Override
    public String toString() {
        return "(secret)";
    }
}
