// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

/**
 * A value as somebody wrote it.
 *
 * @param text never empty
 */
record Setting(String text, Origin origin) {

    /** Who wrote it. */
    enum Origin {
        DEFAULT("default"),
        ENVIRONMENT("environment"),
        ENVIRONMENT_FILE("environment, _FILE"),
        FILE("file"),
        FILE_FILE("file, _FILE"),
        OPTION("--set");

        private final String label;

        Origin(String label) {
            this.label = label;
        }

        @Override
        public String toString() {
            return label;
        }
    }
}
