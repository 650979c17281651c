// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.program.diagnostics.UriSecrets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A configuration to be looked at by others, valid or not.
 *
 * @param text what is set, and what is wrong with it; of secrets, and of what is in PEM, only whether it is set
 * @param secrets all that are set
 * @param config empty if something is wrong with it
 */
public record ConfigForDiagnosis(String text, List<String> secrets, Optional<AgentConfig> config) {
    private static final Set<Setting> SECRET =
            EnumSet.of(Setting.PCS_HMAC_KEY, Setting.PCS_ED25519_PRIV_B64, Setting.TLS_KEY);
    private static final Set<Setting> PEM = EnumSet.of(Setting.TLS_CA, Setting.TLS_CERT);
    /** A line of base64 that is shorter tells nothing of a key. */
    private static final int LEAST_KEY_LINE = 8;

    public ConfigForDiagnosis {
        secrets = List.copyOf(secrets);
    }

    /** As {@link AgentConfig#load}, but that nothing is too wrong for it. */
    public static ConfigForDiagnosis read(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(environment, file);
        StringBuilder text = new StringBuilder();
        List<String> secrets = new ArrayList<>();
        for (Setting setting : Setting.values()) {
            Optional<String> value = settings.text(setting);
            value.ifPresent(set -> secrets.addAll(secretsIn(setting, set)));
            text.append("%-22s %s\n"
                    .formatted(setting, value.map(set -> shown(setting, set)).orElse("not set")));
        }
        Optional<AgentConfig> config = Optional.empty();
        try {
            config = Optional.of(AgentConfig.load(environment, file, EnumSet.allOf(Need.class)));
        } catch (InvalidConfig e) {
            e.problems()
                    .forEach(problem -> text.append("PROBLEM ").append(problem).append('\n'));
        }
        return new ConfigForDiagnosis(text.toString(), secrets, config);
    }

    private static String shown(Setting setting, String text) {
        if (SECRET.contains(setting) || PEM.contains(setting)) {
            return "set";
        }
        return setting == Setting.ENDPOINT ? UriSecrets.redacted(text) : text;
    }

    private static List<String> secretsIn(Setting setting, String text) {
        if (setting == Setting.TLS_KEY) {
            return text.lines()
                    .filter(line -> line.length() >= LEAST_KEY_LINE && !line.startsWith("-----"))
                    .toList();
        }
        if (setting == Setting.ENDPOINT) {
            return List.copyOf(UriSecrets.of(text));
        }
        return SECRET.contains(setting) ? List.of(text) : List.of();
    }
}
