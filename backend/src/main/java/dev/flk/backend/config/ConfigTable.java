// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.util.Optional;

/** The configuration for people: key, value, who set it; {@value #COLUMNS} columns, long values on lines of their own. */
final class ConfigTable {
    static final int COLUMNS = 80;
    private static final int KEY_COLUMNS = 20;
    private static final int ORIGIN_COLUMNS = 18;
    private static final int VALUE_COLUMNS = COLUMNS - KEY_COLUMNS - ORIGIN_COLUMNS - 2;

    private ConfigTable() {}

    static String of(Settings settings, BackendConfig config) {
        StringBuilder table = new StringBuilder();
        for (Key key : Key.values()) {
            append(table, key, value(key, settings.get(key), config), origin(key, settings.get(key)));
        }
        return table.toString();
    }

    private static String value(Key key, Optional<Setting> setting, BackendConfig config) {
        if (setting.isEmpty()) {
            return key == Key.TOKEN_BURST ? Long.toString(config.limit().burstTokens()) : "-";
        }
        return key.isSecret() ? "(set, not shown)" : setting.get().text();
    }

    private static String origin(Key key, Optional<Setting> setting) {
        String unset = key == Key.TOKEN_BURST ? "2 x TOKEN_RATE" : "not set";
        return setting.map(known -> known.origin().toString()).orElse(unset);
    }

    private static void append(StringBuilder table, Key key, String value, String origin) {
        String format = "%-" + KEY_COLUMNS + "s %-" + VALUE_COLUMNS + "s %s%n";
        String rest = value;
        String name = key.name();
        while (rest.length() > VALUE_COLUMNS) {
            table.append("%-20s %s%n".formatted(name, rest.substring(0, VALUE_COLUMNS)));
            rest = rest.substring(VALUE_COLUMNS);
            name = "";
        }
        table.append(format.formatted(name, rest, origin));
    }
}
