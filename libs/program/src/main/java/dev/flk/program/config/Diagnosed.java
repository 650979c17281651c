// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * A configuration, possibly an invalid one, for diagnostics.
 *
 * @param text the settings and their problems, without secrets, passwords and private keys, so that the text can be
 *     shown to others
 * @param secrets all secrets that are set, as {@link Settings#secrets} returns them
 * @param config the configuration; empty if the configuration is invalid
 */
public record Diagnosed<T>(String text, List<String> secrets, Optional<T> config) {
    public Diagnosed {
        secrets = List.copyOf(secrets);
    }

    /** Reads a configuration, and reports its problems instead of throwing an {@link InvalidConfig}. */
    public static <T> Diagnosed<T> read(Settings settings, Function<Settings, T> reader) {
        Optional<T> config = Optional.empty();
        try {
            config = Optional.of(reader.apply(settings));
        } catch (InvalidConfig e) {
            // the report of the settings lists the problems
        }
        return new Diagnosed<>(settings.report(), settings.secrets(), config);
    }
}
