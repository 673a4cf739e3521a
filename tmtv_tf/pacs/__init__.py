"""In and out of an archive (PACS): `tmtv pull`, `tmtv push`, `tmtv serve`. By DICOMweb and by DIMSE."""
