// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

/** A text that must not be printed; {@link #toString} does not, wherever the record that holds it ends up. */
public record Secret(String text) {
    @Override
    public String toString() {
        return "(secret)";
    }
}
