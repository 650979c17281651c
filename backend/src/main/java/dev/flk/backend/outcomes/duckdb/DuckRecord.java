// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.duckdb;

import dev.flk.backend.outcomes.earlier.EarlierRows;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.view.NativeLibrary;
import dev.flk.view.RocksCopy;
import dev.flk.view.RocksView;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** The record in DuckDB, whose library is loaded when the record is opened for the first time. */
public final class DuckRecord {
    private static final String FILE = "record.duckdb";

    /** The names of the files in DEDUP_DIR that have rows. */
    public static final List<String> FILES = List.of(FILE, FILE + ".wal", FILE + ".damaged");

    private static final String ROWS = "dev.flk.backend.outcomes.rows.DuckRows";

    private final Path directory;
    private final RocksView earlier;
    private final RandomGenerator random;

    private @Nullable OutcomeRows rows;
    private @Nullable RecordUnavailableException broken;

    private DuckRecord(Path directory, RocksView earlier, RandomGenerator random) {
        this.directory = directory;
        this.earlier = earlier;
        this.random = random;
    }

    /**
     * Returns rows that {@link OutcomeRows#reopen} opens.
     *
     * @param directory DEDUP_DIR
     * @param earlier the view that has the rows of 0.1.0, if there were any
     */
    public static OutcomeRows unopened(Path directory, RocksView earlier, RandomGenerator random) {
        DuckRecord record = new DuckRecord(directory, earlier, random);
        return (OutcomeRows) Proxy.newProxyInstance(
                DuckRecord.class.getClassLoader(),
                new Class<?>[] {OutcomeRows.class},
                (proxy, method, arguments) -> record.call(method, arguments));
    }

    private @Nullable Object call(Method method, Object @Nullable [] arguments) throws Throwable {
        OutcomeRows loaded = method.getName().equals("reopen") ? load() : loaded();
        if (loaded == null) {
            return whileUnopened(method);
        }
        try {
            return method.invoke(loaded, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }

    private static @Nullable Object whileUnopened(Method method) {
        if (method.getName().equals("close")) {
            return null;
        }
        if (method.getReturnType() == boolean.class) { // areShared, isIncomplete
            return false;
        }
        throw new RecordUnavailableException("the record is not open yet", null);
    }

    private synchronized @Nullable OutcomeRows loaded() {
        return rows;
    }

    private synchronized OutcomeRows load() {
        if (broken != null) {
            throw broken;
        }
        if (RocksCopy.isUnfinished(directory)) {
            throw new RecordUnavailableException(
                    "a restore into " + directory + " was interrupted; stop the backend, and restore again", null);
        }
        if (rows == null) {
            rows = create();
        }
        return rows;
    }

    private OutcomeRows create() {
        try {
            Files.createDirectories(directory, OwnerOnly.directory(directory));
            DuckLibrary library =
                    DuckLibrary.load(directory.resolve(NativeLibrary.DIRECTORY).resolve("duckdb"));
            return (OutcomeRows) library.loadClass(ROWS)
                    .getConstructor(Path.class, EarlierRows.class, RandomGenerator.class)
                    .newInstance(directory.resolve(FILE), new EarlierRows(earlier), random);
        } catch (IOException e) { // such as a full disk
            throw new RecordUnavailableException("the library of the record can't be unpacked: " + e.getMessage(), e);
        } catch (ReflectiveOperationException | LinkageError e) {
            broken = new RecordUnavailableException("the record is off, because DuckDB can't be used here: " + e, e);
            throw broken;
        }
    }
}
