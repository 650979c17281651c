// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.view.RocksView.Owner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.LRUCache;
import org.rocksdb.WriteBatch;
import org.slf4j.LoggerFactory;

final class RocksCopyTest {
    private static final byte[] KEY = {1};

    @TempDir
    Path parent;

    private Path directory;
    private Path backup;
    private Path again;
    private RocksView view;

    @BeforeEach
    void open() {
        directory = parent.resolve("view");
        backup = parent.resolve("backup");
        again = parent.resolve("again");
        view = open(directory);
    }

    @AfterEach
    void close() {
        view.close();
    }

    private static RocksView open(Path where) {
        return RocksView.open(
                where,
                new Owner("the view", "VIEW_DIR", LoggerFactory.getLogger(RocksCopyTest.class), () -> {}),
                RocksCopyTest::tune,
                0,
                System::nanoTime);
    }

    private static void tune(Tuning tuning) {
        BlockBasedTableConfig tables = tuning.tables(tuning.own(new LRUCache(1 << 20)));
        tuning.family("default", tables);
        tuning.family("second", tables);
    }

    private void put(int value) {
        view.use(open -> {
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(KEY, new byte[] {(byte) value});
                open.write(batch);
            }
            return open;
        });
    }

    private static void assertHas(Path where, int value) {
        try (RocksView opened = open(where)) {
            assertThat(opened.<byte[]>use(open -> open.rocks().get(KEY))).isEqualTo(new byte[] {(byte) value});
        }
    }

    private RocksCopy make() throws IOException {
        return RocksCopy.make(view, backup, RocksCopy.Others.none(), Map.of("complete-up-to", "7"));
    }

    private static Path table(Path where) throws IOException {
        try (Stream<Path> files = Files.list(where)) {
            return files.filter(file -> file.toString().endsWith(".sst"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    @Test
    void make_whileOpen_hasWhatWasWrittenAndLeavesNothingElse() throws IOException {
        put(1);
        RocksCopy made = make();
        put(2);

        RocksCopy read = RocksCopy.read(backup);
        assertThat(read.about()).containsExactly(Map.entry("complete-up-to", "7"));
        assertThat(read.bytes()).isEqualTo(made.bytes()).isPositive();
        assertThat(directory.resolve("copying")).doesNotExist();
        assertThat(parent.resolve("backup.part")).doesNotExist();
        read.restore(again, List.of());
        assertHas(again, 1);
    }

    @Test
    void make_targetOrAnUnfinishedCopyExists_isRefusedByName() throws IOException {
        Files.createDirectory(backup);
        assertThatThrownBy(this::make).hasMessageContaining(backup + " already exists");

        Files.delete(backup);
        Files.createDirectory(parent.resolve("backup.part"));
        assertThatThrownBy(this::make)
                .hasMessageContaining("backup.part exists")
                .hasMessageContaining("interrupted");
    }

    @Test
    void make_afterAnInterruptedOne_removesWhatThatHasLinked() throws IOException {
        Files.createDirectories(directory.resolve("copying/files"));
        put(1);
        make();
        assertThat(directory.resolve("copying")).doesNotExist();

        view.close();
        Files.createDirectories(directory.resolve("copying/files"));
        view = open(directory);
        assertThat(directory.resolve("copying")).doesNotExist();
    }

    @Test
    void restore_databaseIsChangedAfterwards_leavesTheBackupAsItWas() throws IOException {
        put(1);
        make().restore(again, List.of());
        try (RocksView restored = open(again)) {
            restored.use(open -> {
                try (WriteBatch batch = new WriteBatch()) {
                    batch.put(KEY, new byte[] {9});
                    open.write(batch);
                }
                open.flush();
                open.rocks().compactRange();
                return open;
            });
        }
        Path third = parent.resolve("third");
        RocksCopy.read(backup).restore(third, List.of());
        assertHas(third, 1);
    }

    @Test
    void restore_directoryHasFiles_isRefused() throws IOException {
        put(1);
        RocksCopy copy = make();
        view.close();
        assertThatThrownBy(() -> copy.restore(directory, List.of()))
                .hasMessageContaining(directory + " is not empty: it has ");
        assertHas(directory, 1);

        Files.createDirectories(again.resolve("set-aside"));
        assertThatThrownBy(() -> copy.restore(again, List.of())).hasMessageContaining("it has set-aside");
    }

    @Test
    void restore_otherFilesInTheDirectory_staysBesideThem() throws IOException {
        put(1);
        Files.createDirectories(again.resolve("lost+found"));
        make().restore(again, List.of());
        assertHas(again, 1);
        assertThat(again.resolve("lost+found")).exists();
    }

    @Test
    void restore_interrupted_isRefusedByTheStartAndCanBeRepeated() throws IOException {
        put(1);
        RocksCopy copy = make();
        Files.createDirectories(again);
        Files.createFile(again.resolve(RocksDirectory.RESTORING));
        Files.copy(table(backup), again.resolve(table(backup).getFileName()));

        assertThatThrownBy(() -> open(again))
                .isInstanceOf(ViewUnavailableException.class)
                .hasMessage("can't open the view in " + again
                        + ": a restore was interrupted; run it again, or remove the directory");

        copy.restore(again, List.of());
        assertHas(again, 1);
    }

    @Test
    void read_incompleteBackup_namesTheFile() throws IOException {
        put(1);
        make();
        Path table = table(backup);
        Files.delete(table);
        assertThatThrownBy(() -> RocksCopy.read(backup))
                .hasMessageContaining(table + " has 0 bytes instead of ")
                .hasMessageContaining("was not copied completely");
    }

    @Test
    void read_noBackup_isRefused() throws IOException {
        assertThatThrownBy(() -> RocksCopy.read(directory))
                .hasMessage(directory + " is not a backup: it has no copy.txt");
        Files.writeString(Files.createDirectory(backup).resolve("copy.txt"), "flk-copy 2\n");
        assertThatThrownBy(() -> RocksCopy.read(backup)).hasMessageContaining("written by a newer version");
    }
}
