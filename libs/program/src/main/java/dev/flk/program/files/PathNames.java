// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.files;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Converts the names of files, as people write them, to paths. */
public final class PathNames {
    /** The remedy if names of files cannot be represented in the encoding of the locale. */
    public static final String REMEDY = "start with LC_ALL=C.UTF-8";

    private PathNames() {}

    /**
     * Returns the path with a name.
     *
     * @throws IllegalArgumentException if no file can have this name; the message completes "the value is …"
     */
    public static Path parse(String name) {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("empty; name a file or a directory");
        }
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("not a path: " + reason(e), e);
        }
    }

    /** Returns the reason why no file can have a name. */
    public static String reason(InvalidPathException failure) {
        return failure.getInput().indexOf('\0') >= 0
                ? "it contains a NUL character"
                : "this locale can't represent it; " + REMEDY;
    }
}
