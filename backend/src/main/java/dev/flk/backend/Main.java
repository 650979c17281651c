// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

/** Entry point of {@code flk-backend}. */
public final class Main {
    private Main() {}

    /** Runs the command line. */
    public static void main(String[] args) {
        System.exit(2);
    }
}
