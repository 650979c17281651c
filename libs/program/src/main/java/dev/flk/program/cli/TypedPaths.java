// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import dev.flk.program.files.PathNames;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.TypeConversionException;

/** The paths on a command line. Whatever a person types is a path, or is refused with a sentence. */
public final class TypedPaths {
    /** The character that Java substitutes for bytes that it can't decode in the encoding of the locale. */
    private static final char LOST = '\uFFFD';

    private TypedPaths() {}

    /** Makes all present commands convert paths, and refuse names that no file can have. */
    public static void in(CommandLine commands) {
        commands.registerConverter(Path.class, name -> {
            try {
                return PathNames.parse(name);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException("the value is " + e.getMessage());
            }
        });
    }

    /**
     * Returns why a command line can't be run: Java could not decode an argument or the name of the current directory,
     * so the program would use other files than those that were meant. Empty if it can be run.
     */
    public static Optional<String> problem(String directory, String... arguments) {
        if (Stream.of(arguments).anyMatch(text -> text.indexOf(LOST) >= 0)) {
            return Optional.of("an argument is not UTF-8, or this locale can't represent it; " + PathNames.REMEDY);
        }
        return directory.indexOf(LOST) < 0
                ? Optional.empty()
                : Optional.of("the name of the current directory is not UTF-8, or this locale can't represent it; "
                        + PathNames.REMEDY);
    }

    /** Returns a sentence about a name that no file can have. */
    public static String describe(InvalidPathException failure) {
        return "can't use " + Printable.of(failure.getInput()) + ": " + PathNames.reason(failure);
    }
}
