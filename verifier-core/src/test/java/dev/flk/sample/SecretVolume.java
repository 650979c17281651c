// SPDX-License-Identifier: Apache-2.0
package dev.flk.sample;

import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * A volume of Kubernetes with a Secret, of real links: the files are in a directory of their own for each version, {@code ..data} leads to
 * the one in force, and what programs open leads through that link. An update renames another link onto it, and removes what was there.
 */
public final class SecretVolume {
    private final Path directory;

    /** In a directory that is there and empty. */
    public SecretVolume(Path directory) {
        this.directory = directory;
    }

    /** The directory of another version, for its files; it is not in force yet. */
    public Path version(String name) throws IOException {
        return Files.createDirectory(directory.resolve(".." + name));
    }

    /** Puts a version in force as the kubelet does it. */
    public void swapTo(String version) throws IOException {
        Path data = directory.resolve("..data");
        Path before = Files.isSymbolicLink(data) ? data.toRealPath() : null;
        Path next = Files.createSymbolicLink(directory.resolve("..data_tmp"), Path.of(".." + version));
        Files.move(next, data, ATOMIC_MOVE, REPLACE_EXISTING);
        for (Path file : list(data)) {
            Path seen = directory.resolve(file.getFileName());
            if (!Files.isSymbolicLink(seen)) {
                Files.createSymbolicLink(seen, Path.of("..data").resolve(file.getFileName()));
            }
        }
        if (before != null) {
            for (Path file : list(before)) {
                Files.delete(file);
                Path seen = directory.resolve(file.getFileName());
                if (!Files.exists(seen)) {
                    Files.delete(seen);
                }
            }
            Files.delete(before);
        }
    }

    private static List<Path> list(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.toList();
        }
    }
}
