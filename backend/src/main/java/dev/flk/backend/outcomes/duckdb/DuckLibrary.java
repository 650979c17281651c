// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.duckdb;

import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The classes of DuckDB and those that use it, with the native library in a directory that the caller chooses: the driver
 * itself would unpack it into the directory for temporary files, which may not allow programs, and leave it there after a
 * kill. The unpacked file is removed as soon as the library is loaded.
 */
final class DuckLibrary extends URLClassLoader {
    private static final String DRIVER = "org.duckdb.";
    private static final String USER = "dev.flk.backend.outcomes.rows.";
    private static final String NAME = "duckdb_java";
    private static final String PACKED = "lib" + NAME + ".so";

    private static @Nullable DuckLibrary loaded;

    private final Path library;

    private DuckLibrary(URL[] urls, Path library, ClassLoader parent) {
        super(urls, parent);
        this.library = library;
    }

    /**
     * Loads the library, once for the process. Throws a {@link LinkageError} or an exception if this machine can't, or if
     * the process has ended twice while it was loaded.
     */
    static synchronized DuckLibrary load(Path directory) throws IOException, ClassNotFoundException {
        if (loaded == null) {
            Files.createDirectories(directory, OwnerOnly.directory(directory));
            Attempts attempts = new Attempts(directory.resolve("loading"));
            if (attempts.unended() > 1) {
                throw new UnsatisfiedLinkError(
                        "the process has ended twice while it was loaded; to try again, remove " + attempts.mark());
            }
            attempts.begin();
            try {
                loaded = loadOnce(directory);
            } finally {
                attempts.end(); // an exception is not a crash
            }
        }
        return loaded;
    }

    static DuckLibrary loadOnce(Path directory) throws IOException, ClassNotFoundException {
        Path library = directory.resolve(PACKED).toAbsolutePath();
        ClassLoader parent = DuckLibrary.class.getClassLoader();
        try (InputStream packed = parent.getResourceAsStream(resource())) {
            if (packed == null) {
                throw new IOException("there is no DuckDB for " + System.getProperty("os.arch"));
            }
            Files.copy(packed, library, StandardCopyOption.REPLACE_EXISTING);
        }
        try {
            DuckLibrary loader = new DuckLibrary(
                    new URL[] {
                        DuckLibrary.class.getProtectionDomain().getCodeSource().getLocation(),
                        Class.forName(DRIVER + "DuckDBDriver", false, parent)
                                .getProtectionDomain()
                                .getCodeSource()
                                .getLocation()
                    },
                    library,
                    parent);
            Class.forName(DRIVER + "DuckDBNative", true, loader);
            return loader;
        } finally {
            Files.deleteIfExists(library);
        }
    }

    private static String resource() {
        String arch = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
        return PACKED + "_linux_" + (arch.equals("aarch64") ? "arm64" : "amd64");
    }

    /** Hides the packed library from the driver, which asks {@link #findLibrary} then. */
    @Override
    public @Nullable URL getResource(String name) {
        return name.startsWith(PACKED) ? null : super.getResource(name);
    }

    @Override
    protected @Nullable String findLibrary(String name) {
        return name.equals(NAME) ? library.toString() : null;
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (!name.startsWith(DRIVER) && !name.startsWith(USER)) {
            return super.loadClass(name, resolve);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            return loaded == null ? findClass(name) : loaded;
        }
    }
}
