// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.util.Optional;

/** The configuration for people: key, value, who set it; {@value #COLUMNS} columns, long values on lines of their own. */
final class ConfigTable {
    static final int COLUMNS = 80;
    private static final int KEY_COLUMNS = 27;
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
            return derived(key, config);
        }
        return key.isSecret() ? "(set, not shown)" : setting.get().text();
    }

    private static String origin(Key key, Optional<Setting> setting) {
        return setting.map(known -> known.origin().toString()).orElse(derivation(key));
    }

    /** What follows from others where it is not set. */
    private static String derived(Key key, BackendConfig config) {
        LimitConfig limit = config.limit();
        return switch (key) {
            case TOKEN_BURST -> Long.toString(limit.burstTokens());
            case ADDRESS_FAILURE_RATE ->
                limit.failuresPerSecond().stripTrailingZeros().toPlainString() + "/s";
            case ADDRESS_FAILURE_BURST -> Long.toString(limit.failureBurst());
            case MAX_CONNECTIONS_PER_ADDRESS -> Integer.toString(limit.connectionsPerAddress());
            case OPS_BIND_ADDR -> config.ops().map(OpsConfig::bindAddress).orElse("-");
            case AUDIT_DIR -> config.audit().directory().toString();
            default -> "-";
        };
    }

    private static String derivation(Key key) {
        return switch (key) {
            case TOKEN_BURST -> "2 x TOKEN_RATE";
            case ADDRESS_FAILURE_RATE -> "TOKEN_RATE / 10";
            case ADDRESS_FAILURE_BURST -> "10 x its rate";
            case MAX_CONNECTIONS_PER_ADDRESS -> "half of all";
            case AUDIT_DIR -> "in WAL_DIR";
            default -> "not set";
        };
    }

    private static void append(StringBuilder table, Key key, String value, String origin) {
        String format = "%-" + KEY_COLUMNS + "s %-" + VALUE_COLUMNS + "s %s%n";
        String rest = value;
        String name = key.name();
        while (rest.length() > VALUE_COLUMNS) {
            table.append(("%-" + KEY_COLUMNS + "s %s%n").formatted(name, rest.substring(0, VALUE_COLUMNS)));
            rest = rest.substring(VALUE_COLUMNS);
            name = "";
        }
        table.append(format.formatted(name, rest, origin));
    }
}
