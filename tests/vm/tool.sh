# Read by image.sh and run.sh: how a program of the unpacked packages in `tools`, in the current directory, is run: with its own libraries.
tool="tools/lib64/ld-linux-x86-64.so.2 --library-path tools/lib/x86_64-linux-gnu:tools/usr/lib/x86_64-linux-gnu"
