// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * A setting, command or path of earlier versions, or of a program that this one replaces. They are the lines of {@code
 * former-names.txt}: the name, the setting, and what to use instead, separated by {@code |}. The script {@code flk}
 * reads this file, too.
 *
 * @param name the name; a {@code *} at its end stands for any text
 * @param setting the name of the setting that takes the place of a setting; {@code -} for commands and paths
 * @param instead what to use, as the object of the verb <i>use</i>
 */
public record FormerName(String name, String setting, String instead) {
    /** All former names; of those that fit a text, the first applies. */
    public static final List<FormerName> ALL = read();

    private static List<FormerName> read() {
        try (InputStream file = Objects.requireNonNull(FormerName.class.getResourceAsStream("former-names.txt"))) {
            return new String(file.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .map(line -> line.split(" *[|] ", -1))
                    .map(cells -> new FormerName(cells[0], cells[1], cells[2]))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns the entry for a setting, a command or the path of a URL, if it is a former one. Ignores case. */
    public static Optional<FormerName> find(String text) {
        return ALL.stream().filter(each -> each.fits(text)).findFirst();
    }

    private boolean fits(String text) {
        return name.endsWith("*")
                ? text.regionMatches(true, 0, name, 0, name.length() - 1)
                : text.equalsIgnoreCase(name);
    }

    /** Returns what to do, such as <i>use REDIS_URI</i>. */
    public String advice() {
        return "use " + instead;
    }
}
