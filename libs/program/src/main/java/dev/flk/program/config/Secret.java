// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

/**
 * A text that must not be printed. {@link #toString} returns a placeholder, so that printing a record that contains the
 * secret does not reveal it.
 */
public record Secret(String text) {
    @Override
    public String toString() {
        return "(secret)";
    }
}
