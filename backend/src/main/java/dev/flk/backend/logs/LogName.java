// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.regex.Pattern;

/** The name of this backend's log for people, {@code LOG_NAME}. */
public final class LogName {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,100}");
    private static final int MOST_HOST_CHARS = 94;

    public static final Key<String> LOG_NAME = Key.of(
                    "LOG_NAME", LogName::parse, "Name of the log, which no other backend of the store has.")
            .derived("the host's name, a hyphen and `PORT`");

    private LogName() {}

    private static String parse(String text) {
        if (!NAME.matcher(text).matches()) {
            throw new IllegalArgumentException("not 1 to 100 letters, digits, dots, hyphens or underscores");
        }
        return text;
    }

    /**
     * Returns the configured name, or one that no other backend of this machine has.
     *
     * @param port the configured port
     */
    public static String read(Settings settings, int port) {
        return settings.find(LOG_NAME).orElseGet(() -> host() + "-" + port);
    }

    private static String host() {
        try {
            String name = InetAddress.getLocalHost().getHostName().replaceAll("[^A-Za-z0-9._-]", "-");
            return name.substring(0, Math.min(name.length(), MOST_HOST_CHARS));
        } catch (UnknownHostException e) {
            return "unknown";
        }
    }
}
