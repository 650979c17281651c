// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import dev.flk.backend.outcomes.duckdb.Attempts;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import org.duckdb.DuckDBConnection;
import org.duckdb.DuckDBDriver;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The file of the rows. A file that can't be read, or at whose opening the process has crashed, is set aside, and an
 * empty one is used instead. After a second crash, nothing is opened any more: the library is the cause then. A full or
 * failing disk sets nothing aside.
 */
final class RowsFile {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");

    /** Parts of messages about a file whose content is wrong. */
    private static final List<String> DAMAGED = List.of(
            "Serialization Error",
            "Corrupt",
            "IO Error: The file",
            "IO Error: Trying to read",
            "IO Error: Could not read enough bytes",
            "WAL does not match database file");

    private static final String WAL = ".wal";
    private static final String MEMORY = "64MB";
    private static final String TEMPORARY = "1GB";
    /**
     * The bytes after which the journal is moved into the file. Each time, the incomplete last block of 122,880 rows is
     * compressed again, so a smaller value costs processor time; a larger one costs memory and makes a step longer.
     */
    private static final String CHECKPOINT = "32MB";
    /** The format on disk, of the first version of DuckDB that can read it. */
    private static final String STORAGE = "v1.4.0";

    private final Path file;
    private final Attempts opening;

    RowsFile(Path file) {
        this.file = file.toAbsolutePath();
        this.opening = new Attempts(sibling(".opening"));
    }

    private Path sibling(String end) {
        return file.resolveSibling(file.getFileName() + end);
    }

    /** Opens the file, which is created if it does not exist. */
    DuckTransaction open() throws SQLException, IOException {
        int crashes = opening.unended();
        if (crashes > 1) {
            throw new RecordUnavailableException(
                    "the record is off, because the process has ended twice while " + file
                            + " was opened; to try again, remove " + opening.mark(),
                    null);
        }
        if (crashes == 1) {
            setAside("the process has ended while it was opened");
        }
        opening.begin();
        try {
            return openOrReplace();
        } finally {
            opening.end(); // an exception is not a crash
        }
    }

    private DuckTransaction openOrReplace() throws SQLException, IOException {
        try {
            return openOnce();
        } catch (SQLException e) {
            if (!isDamage(e) && !String.valueOf(e.getMessage()).startsWith("INTERNAL Error")) {
                throw e;
            }
            setAside(String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
            return openOnce();
        }
    }

    /** Returns whether no connection can be used after this failure, until all are closed. */
    static boolean isFatal(SQLException failure) {
        String message = String.valueOf(failure.getMessage());
        return message.startsWith("FATAL") || message.startsWith("INTERNAL") || message.contains("invalidated");
    }

    /** Returns whether the file can't be used any more after this failure. */
    static boolean isDamage(SQLException failure) {
        String message = String.valueOf(failure.getMessage());
        return DAMAGED.stream().anyMatch(message::contains);
    }

    /** Renames the file. One that was set aside before stays until its rows were copied: it has the older ones. */
    void setAside(String why) throws IOException {
        if (!Files.exists(file)) {
            return;
        }
        if (Files.exists(aside())) {
            LOG.error("{} is removed, and derived from the log and {} again: {}", file, aside(), why);
            Files.deleteIfExists(sibling(WAL));
            Files.deleteIfExists(file);
            return;
        }
        LOG.error("{} is set aside as {}, and derived from the log again: {}", file, aside(), why);
        if (Files.exists(sibling(WAL))) {
            Files.move(sibling(WAL), walOf(aside()), StandardCopyOption.REPLACE_EXISTING);
        }
        Files.move(file, aside());
    }

    private Path aside() {
        return sibling(".damaged");
    }

    private static Path walOf(Path file) {
        return file.resolveSibling(file.getFileName() + WAL);
    }

    /** Returns the file that was set aside, until its rows are copied; empty after that, or before. */
    Optional<Path> wasSetAside() {
        return Optional.of(aside()).filter(Files::exists);
    }

    /** Returns the mark of a copy from the file that was set aside. */
    Attempts salvaging() {
        return new Attempts(sibling(".salvaging"));
    }

    /** Opens a damaged file, without the end that was not in it yet if that can't be read. */
    Connection openReadOnly(Path damaged) throws SQLException {
        Properties settings = settings(true);
        try {
            return new DuckDBDriver().connect("jdbc:duckdb:" + damaged, settings);
        } catch (SQLException e) {
            LOG.warn("{} can't be read together with {}: {}", damaged, walOf(damaged), e.getMessage());
            try {
                Files.deleteIfExists(walOf(damaged));
            } catch (IOException notDeleted) {
                e.addSuppressed(notDeleted);
                throw e;
            }
            return new DuckDBDriver().connect("jdbc:duckdb:" + damaged, settings);
        }
    }

    /** Removes what was set aside once its rows were copied; what could not be read is kept for a person. */
    void release(boolean isAll) throws IOException {
        Files.deleteIfExists(walOf(aside()));
        if (isAll) {
            Files.delete(aside());
        } else {
            Files.move(aside(), sibling(".unreadable"), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Copies the file, which nothing may write meanwhile, into a directory. */
    void copyTo(Path target) throws IOException {
        for (Path each : List.of(file, sibling(WAL))) {
            if (Files.exists(each)) {
                Path copy = target.resolve(String.valueOf(each.getFileName()));
                Files.copy(each, copy);
                try (FileChannel channel = FileChannel.open(copy, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
            }
        }
    }

    private DuckTransaction openOnce() throws SQLException, IOException {
        if (!Files.exists(file)) {
            create();
        }
        DuckDBConnection opened = connect(file);
        try (Statement statement = opened.createStatement()) {
            statement.execute("SET lock_configuration = true");
            return new DuckTransaction(opened);
        } catch (SQLException e) {
            opened.close();
            throw e;
        }
    }

    /** Creates the file under another name: a file without its tables, after a kill or a full disk, is not damaged. */
    private void create() throws SQLException, IOException {
        Path created = sibling(".new");
        for (Path earlier : List.of(walOf(created), created)) {
            Files.deleteIfExists(earlier);
        }
        try (Connection connection = connect(created);
                Statement statement = connection.createStatement()) {
            statement.execute("BEGIN TRANSACTION;" + StoredRow.DDL + ";" + ChangeOrder.DDL + ";COMMIT;CHECKPOINT");
        }
        Files.move(created, file, StandardCopyOption.ATOMIC_MOVE);
    }

    private DuckDBConnection connect(Path to) throws SQLException {
        return (DuckDBConnection) new DuckDBDriver().connect("jdbc:duckdb:" + to, settings(false));
    }

    /** Returns settings with which DuckDB uses no file but the record and its temporary ones, and loads nothing. */
    private Properties settings(boolean isReadOnly) {
        Properties settings = new Properties();
        settings.setProperty("memory_limit", MEMORY);
        settings.setProperty("threads", "1");
        settings.setProperty("temp_directory", sibling(".temp").toString());
        settings.setProperty("max_temp_directory_size", TEMPORARY);
        settings.setProperty("checkpoint_threshold", CHECKPOINT);
        settings.setProperty("storage_compatibility_version", STORAGE);
        settings.setProperty("autoinstall_known_extensions", "false");
        settings.setProperty("autoload_known_extensions", "false");
        settings.setProperty("enable_external_access", "false");
        if (isReadOnly) {
            settings.setProperty("access_mode", "READ_ONLY");
        }
        return settings;
    }
}
