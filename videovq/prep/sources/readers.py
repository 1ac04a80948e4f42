"""The formats that ``videovq prep`` reads, by name; imports none of their readers."""

READERS = {  # in the order in which they are asked whether they know a folder: the most particular first
    "lerobot": "lerobot:LeRobotReader",
    "minari": "minari:MinariReader",
    "rlu": "rlu:RLUReader",
    "csgo": "csgo:CSGOReader",
    "hdf5": "hdf5:HDF5Reader",
    "vpt": "vpt:VPTReader",
    "teco_dmlab": "teco:TecoDMLabReader",
    "teco_minecraft": "teco:TecoMinecraftReader",
    "arrays": "arrays:ArraysReader",
    "videos": "videos:VideosReader",
    "cifar10": "cifar10:CIFAR10Reader",
    "images": "images:ImagesReader",
}
