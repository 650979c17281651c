// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Certificates;
import dev.flk.bench.process.Server;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.Signer;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/** The servers and directories of a suite; all of them end and go with it. */
final class Workshop implements Closeable {
    private final Path root;
    private final List<String> backendJvm;
    private final Deque<Closeable> open = new ArrayDeque<>();
    private final SecureRandom random = new SecureRandom();

    /** @param parent where the data goes; it decides on which disk is measured */
    Workshop(Path parent, List<String> backendJvm) throws IOException {
        this.backendJvm = backendJvm;
        root = Files.createTempDirectory(parent, "flk-bench-");
    }

    <T extends Closeable> T keep(T part) {
        open.push(part);
        return part;
    }

    Path directory(String name) throws IOException {
        return Files.createDirectory(root.resolve(name));
    }

    Server bare() throws IOException, InterruptedException {
        return keep(Server.bare(directory("bare")));
    }

    Server backend(String name, Map<String, String> more) throws IOException, InterruptedException {
        return keep(started(directory(name), more));
    }

    /** A backend with further options for its JVM. */
    Server backend(String name, List<String> jvmOptions) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(backendJvm);
        all.addAll(jvmOptions);
        return keep(Server.backend(directory(name), all, Map.of()));
    }

    /** One that is not kept, on data that may be there already. */
    Server started(Path directory, Map<String, String> more) throws IOException, InterruptedException {
        return Server.backend(directory, backendJvm, more);
    }

    /** Certificates that nobody else has. */
    Certificates certificates(Signer signer) {
        return new Certificates(signer, freshRoot());
    }

    private String freshRoot() {
        byte[] root = new byte[32];
        random.nextBytes(root);
        return HexFormat.of().formatHex(root);
    }

    /** About 9 bytes more for each element of {@code v_star}. */
    Certificates certificates(int elements) {
        return new Certificates(new HmacSigner(Server.SECRET), freshRoot(), elements);
    }

    Certificates certificates() {
        return certificates(new HmacSigner(Server.SECRET));
    }

    @Override
    public void close() throws IOException {
        IOException failure = null;
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (IOException e) {
                failure = e; // the others end all the same
            }
        }
        if (failure != null) {
            throw failure;
        }
        Trees.delete(root);
    }
}
