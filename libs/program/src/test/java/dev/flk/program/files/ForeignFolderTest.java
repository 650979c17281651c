// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;

/** Calls {@link ForeignFolder#openChecked} for files that were exchanged after they were checked. */
@Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
class ForeignFolderTest {
    @TempDir
    private Path directory;

    private Path data;
    private ForeignFolder folder;

    @BeforeEach
    void create() throws IOException {
        data = Files.createDirectory(directory.resolve("data")).toRealPath();
        folder = new ForeignFolder(data);
    }

    private FileChannel exchanged(Path file) throws IOException {
        return folder.openChecked(file, Set.of(LinkOption.NOFOLLOW_LINKS), file + " before");
    }

    private Path fifo(String name) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/mkfifo")), "this machine has no mkfifo");
        Path fifo = data.resolve(name);
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();
        return fifo;
    }

    private static void release(Path fifo) throws IOException {
        FileChannel.open(fifo, StandardOpenOption.WRITE).close(); // a reader waits, so this does not
    }

    @Test
    void open_exchangedForAFifo_isGivenUp_untilTheNameIsAnotherFile() throws Exception {
        Path file = fifo("a.csv");
        assertThatIOException().isThrownBy(() -> exchanged(file)).withMessageContaining(file + " hangs");
        assertThatIOException().isThrownBy(() -> exchanged(file)).withMessageContaining(file + " hangs");

        folder.open(Files.writeString(data.resolve("b.csv"), "b")).close();
        Path gone = Files.move(file, directory.resolve("gone"));
        folder.open(Files.writeString(file, "a")).close();

        release(gone);
        Awaitility.await()
                .untilAsserted(() -> assertThatIOException()
                        .isThrownBy(() -> exchanged(file))
                        .withMessage(file + " was exchanged for a FIFO"));
    }

    @Test
    void open_severalHang_onlyThisFolderIsRefused() throws Exception {
        for (int i = 0; i < 4; i++) {
            Path fifo = fifo("fifo-" + i);
            assertThatIOException().isThrownBy(() -> exchanged(fifo)).withMessageContaining(" hangs");
        }
        Path file = Files.writeString(data.resolve("b.csv"), "b");

        assertThatIOException()
                .isThrownBy(() -> folder.open(file))
                .withMessageStartingWith("opening 4 files of " + data + " hangs; ");
        new ForeignFolder(data).open(file).close();
        for (int i = 0; i < 4; i++) {
            release(data.resolve("fifo-" + i));
        }
        Awaitility.await().ignoreExceptions().until(() -> {
            folder.open(file).close();
            return true;
        });
    }

    @Test
    void open_folderExchangedForALink_isNotFollowed() throws Exception {
        Path secret = Files.writeString(directory.resolve("secret"), "secret");
        Path link = Files.createSymbolicLink(data.resolve("sub"), directory);

        assertThatIOException().isThrownBy(() -> exchanged(link.resolve("secret")));
        assertThatIOException()
                .isThrownBy(() -> folder.open(link.resolve("secret")))
                .withMessageStartingWith(link.resolve("secret") + " leads out of " + data);
        assertThat(folder.objection(Files.createSymbolicLink(data.resolve("b"), secret)))
                .isPresent();
    }

    @Test
    void open_linkWithinTheFolder_isFollowedUnlessForbidden() throws Exception {
        Path sub = Files.createDirectory(data.resolve("sub"));
        Path file = Files.writeString(sub.resolve("a.csv"), "a");
        Path link = Files.createSymbolicLink(data.resolve("b.csv"), file);

        folder.open(link).close();
        assertThatIOException()
                .isThrownBy(() -> folder.open(link, LinkOption.NOFOLLOW_LINKS))
                .withMessage(link + " is a link, not a regular file; move it away");
        folder.open(sub.resolve("new"), LinkOption.NOFOLLOW_LINKS, StandardOpenOption.CREATE, StandardOpenOption.WRITE)
                .close();
        assertThat(sub.resolve("new")).exists();
    }
}
