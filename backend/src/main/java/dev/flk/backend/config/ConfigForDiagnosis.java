// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.program.diagnostics.Scrubber;
import dev.flk.program.diagnostics.UriSecrets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A configuration to be looked at by others, valid or not.
 *
 * @param text what is set, and what is wrong with it; of secrets only whether they are set
 * @param secrets all that are set
 * @param config empty if something is wrong with it
 */
public record ConfigForDiagnosis(String text, List<String> secrets, Optional<BackendConfig> config) {
    public ConfigForDiagnosis {
        secrets = List.copyOf(secrets);
    }

    /** As {@link BackendConfig#load}, but that nothing is too wrong for it. */
    public static ConfigForDiagnosis read(Map<String, String> environment, @Nullable Path file) {
        List<String> problems = new ArrayList<>();
        Settings settings = BackendConfig.settings(environment, file, problems);
        Optional<BackendConfig> config;
        try {
            config = Optional.of(BackendConfig.load(environment, file));
        } catch (InvalidConfig e) {
            config = Optional.empty();
            problems.clear();
            problems.addAll(e.problems());
        }
        StringBuilder text = new StringBuilder();
        List<String> secrets = new ArrayList<>();
        for (Key key : Key.values()) {
            Optional<Setting> setting = settings.get(key);
            setting.ifPresent(set -> secrets.addAll(secretsIn(key, set.text())));
            text.append("%-20s %s\n"
                    .formatted(
                            key,
                            setting.map(set -> shown(key, set.text()) + " (" + set.origin() + ")")
                                    .orElse("not set")));
        }
        settings.get(Key.METRICS_USER)
                .ifPresent(user -> settings.get(Key.METRICS_PASS)
                        .ifPresent(password -> secrets.add(Scrubber.basicLogin(user.text(), password.text()))));
        problems.forEach(problem -> text.append("PROBLEM ").append(problem).append('\n'));
        return new ConfigForDiagnosis(text.toString(), secrets, config);
    }

    private static boolean isAddress(Key key) {
        return key == Key.REDIS_URI || key == Key.POSTGRES_CONN;
    }

    static String shown(Key key, String text) {
        if (isAddress(key)) {
            return UriSecrets.redacted(text);
        }
        return key.isSecret() ? "set" : text;
    }

    private static List<String> secretsIn(Key key, String text) {
        if (isAddress(key)) {
            return List.copyOf(UriSecrets.of(text));
        }
        if (!key.isSecret()) {
            return List.of();
        }
        return key == Key.PCS_HMAC_KEYS
                ? Stream.concat(Stream.of(text), Stream.of(text.split(",", -1))).toList()
                : List.of(text);
    }
}
