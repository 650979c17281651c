// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * What was done and tried, and where it is written down.
 *
 * @param directory of the audit log
 * @param settings what is set, by name, defaults included; of secrets only whether, and the ids of the keys
 */
public record AuditConfig(Path directory, Map<String, String> settings) {
    static final String USUAL_DIRECTORY = "audit";

    public AuditConfig {
        settings = Map.copyOf(settings);
    }

    /** By name. */
    @Override
    public Map<String, String> settings() {
        return new TreeMap<>(settings);
    }
}
