// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Properties;

/**
 * Counts the programs that the tests of a module start, because starts make a build long, and fails a test that starts
 * more than {@code starts.properties} allows its module. So a diff shows each decision to start more. Counts, unlike
 * seconds, do not depend on the machine.
 *
 * <p>The profile {@code thorough} and an IDE set no {@code flk.build}, so they count nothing. Safe for several threads
 * and JVMs.
 */
public final class Starts {
    private static final Properties ALLOWED = allowed();

    private Starts() {}

    /** The programs that are counted. A cluster of brokers counts as one. */
    public enum Started {
        JVM,
        KAFKA,
        POSTGRES,
        REDIS,
        BROWSER
    }

    /** Counts one start. */
    public static void count(Started what) {
        String build = System.getProperty("flk.build", "");
        if (build.isEmpty()) {
            return;
        }
        Path module = Path.of(System.getProperty("basedir"));
        String name = module.getFileName() + "." + what.name().toLowerCase(Locale.ROOT);
        long allowed = Long.parseLong(ALLOWED.getProperty(name, "0"));
        long starts = increment(module.resolve("target/starts-" + build), name);
        if (starts > allowed) {
            throw new IllegalStateException(
                    "start " + starts + " of " + name + ", but starts.properties allows " + allowed
                            + ". Let tests share what is started, or run in the JVM of the test; else raise the number");
        }
    }

    /** Adds a byte to a file, whose length is the count. */
    private static long increment(Path directory, String name) {
        try {
            Files.createDirectories(directory);
            synchronized (Starts.class) { // a second lock of one JVM would throw
                try (FileChannel file = FileChannel.open(
                        directory.resolve(name), StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
                    var unused = file.lock(); // until the file is closed
                    file.write(ByteBuffer.allocate(1));
                    return file.size();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Properties allowed() {
        Properties allowed = new Properties();
        try (InputStream in = Starts.class.getResourceAsStream("starts.properties")) {
            allowed.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return allowed;
    }
}
