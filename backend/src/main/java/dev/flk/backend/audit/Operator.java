// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import dev.flk.canonical.JsonLine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Who runs this process, and from where, as far as it can be told here. All but the account is what the process's own environment says,
 * which who runs it can change.
 *
 * @param account of the process
 * @param login the number of the account that logged in, which {@code sudo} leaves as it is; null where the kernel does not tell
 * @param sudoUser who called {@code sudo}; null if nobody did
 * @param host its name
 * @param address from which one came by SSH; null if not so
 * @param terminal like {@code /dev/pts/1}; null if there is none
 */
record Operator(
        String account,
        @Nullable String login,
        @Nullable String sudoUser,
        String host,
        @Nullable String address,
        @Nullable String terminal) {
    private static final int MOST_CHARS = 100;
    /** What the kernel tells of processes that no login began. */
    private static final String NO_LOGIN = "4294967295";

    private static final Pattern ADDRESS = Pattern.compile("[0-9A-Fa-f.:%a-z]{2,45}");

    /** Of this process. */
    static Operator ofThisProcess(Map<String, String> environment) {
        String login = read(Path.of("/proc/self/loginuid"));
        String ssh = environment.getOrDefault("SSH_CONNECTION", "").split(" ", 2)[0];
        return new Operator(
                System.getProperty("user.name", "?"),
                login == null || login.equals(NO_LOGIN) ? null : login,
                environment.get("SUDO_USER"),
                hostName(),
                ADDRESS.matcher(ssh).matches() ? ssh : null,
                terminalOfInput());
    }

    private static String hostName() {
        String name = read(Path.of("/proc/sys/kernel/hostname"));
        return name == null ? "?" : name;
    }

    private static @Nullable String read(Path file) {
        try {
            return Files.readString(file, StandardCharsets.UTF_8).strip();
        } catch (IOException e) {
            return null; // not on every system
        }
    }

    private static @Nullable String terminalOfInput() {
        try {
            String in = Files.readSymbolicLink(Path.of("/proc/self/fd/0")).toString();
            return in.startsWith("/dev/pts/") || in.startsWith("/dev/tty") ? in : null;
        } catch (IOException | UnsupportedOperationException e) {
            return null; // not on every system
        }
    }

    /** Adds it to a line. */
    JsonLine on(JsonLine line) {
        line.text("account", shortened(account));
        add(line, "login_uid", login);
        add(line, "sudo_user", sudoUser);
        add(line, "address", address);
        add(line, "terminal", terminal);
        return line.text("host", shortened(host))
                .integer("pid", ProcessHandle.current().pid());
    }

    private static void add(JsonLine line, String name, @Nullable String value) {
        if (value != null) {
            line.text(name, shortened(value));
        }
    }

    private static String shortened(String text) {
        return text.length() > MOST_CHARS ? text.substring(0, MOST_CHARS) : text;
    }
}
