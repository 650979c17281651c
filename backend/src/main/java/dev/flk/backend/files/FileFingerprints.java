// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Fingerprints of files, taken before the files are read: the times of the last change of the content and of the last
 * change of the metadata (which can't be set back), the size and the inode. Links are followed, so that a change of a
 * Kubernetes volume, which swaps a link in the path, is detected. Only one thread may use it.
 */
public final class FileFingerprints {
    private final Map<Path, String> looks = new LinkedHashMap<>();

    /** Takes the fingerprint of a file, or notes that it is missing. */
    public void add(Path file) {
        looks.put(file, look(file));
    }

    /** Returns whether the fingerprint of any added file has changed. */
    public boolean haveChanged() {
        return looks.entrySet().stream().anyMatch(each -> !each.getValue().equals(look(each.getKey())));
    }

    private static String look(Path file) {
        try {
            return Files.readAttributes(file, "unix:lastModifiedTime,ctime,size,ino,dev")
                    .toString();
        } catch (UnsupportedOperationException e) {
            return withoutInode(file);
        } catch (IOException e) {
            return "not there";
        }
    }

    private static String withoutInode(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return attributes.lastModifiedTime() + " " + attributes.size() + " " + attributes.fileKey();
        } catch (IOException e) {
            return "not there";
        }
    }
}
