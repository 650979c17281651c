// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RegularFileTest {
    @TempDir
    private Path directory;

    @Test
    void otherKind_regularFileOrNothing_isEmpty() throws Exception {
        Path file = Files.writeString(directory.resolve("file"), "text");
        Path link = Files.createSymbolicLink(directory.resolve("link"), file);

        assertThat(RegularFile.otherKind(file)).isEmpty();
        assertThat(RegularFile.otherKind(link)).isEmpty();
        assertThat(RegularFile.otherKind(directory.resolve("nothing"))).isEmpty();
    }

    @Test
    void otherKind_anythingElse_isNamed() throws Exception {
        Path fifo = directory.resolve("fifo");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();
        Path socket = directory.resolve("socket");
        Path link = Files.createSymbolicLink(directory.resolve("link"), fifo);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));

            assertThat(RegularFile.otherKind(directory)).contains("a directory");
            assertThat(RegularFile.otherKind(fifo)).contains("a FIFO");
            assertThat(RegularFile.otherKind(socket)).contains("a socket");
            assertThat(RegularFile.otherKind(Path.of("/dev/null"))).contains("a device");
            assertThat(RegularFile.otherKind(link)).contains("a FIFO");
            Path broken = Files.createSymbolicLink(directory.resolve("broken"), directory.resolve("nothing"));
            assertThat(RegularFile.otherKind(broken)).contains("a link to a file that does not exist");
            assertThat(RegularFile.otherKind(link, LinkOption.NOFOLLOW_LINKS)).contains("a link");
        }
    }

    @Test
    void requireOrNothing_anythingElse_saysWhatItIsAndWhatToDo() {
        assertThatIOException()
                .isThrownBy(() -> RegularFile.requireOrNothing(directory))
                .withMessage(directory + " is a directory, not a regular file; move it away");
    }
}
