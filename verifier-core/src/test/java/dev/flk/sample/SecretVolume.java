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
 * A directory that imitates a Kubernetes Secret volume with real symbolic links. The files of each version are in a
 * directory of their own, {@code ..data} links to the current version, and the files that programs open link through
 * {@code ..data}. An update replaces {@code ..data} atomically with a new link and deletes the old version.
 */
public final class SecretVolume {
    private final Path directory;

    /** Creates a volume in an existing, empty directory. */
    public SecretVolume(Path directory) {
        this.directory = directory;
    }

    /** Creates the directory of a new version, which does not become current yet. */
    public Path version(String name) throws IOException {
        return Files.createDirectory(directory.resolve(".." + name));
    }

    /** Makes a version current in the way that the kubelet does. */
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
